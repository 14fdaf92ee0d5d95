// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"errors"
	"fmt"

	"github.com/coaps-go/coaps/coap"
)

// A request is written from a URI into a buffer of the caller.
func ExampleMessage_AppendTo() {
	uri, err := coap.ParseURI("coap://server/temperature?unit=c")
	if err != nil {
		fmt.Println(err)
		return
	}
	options := uri.Options(false)
	options.AddUint(coap.Accept, uint32(coap.JSON))

	m := coap.Message{Type: coap.Confirmable, Code: coap.GET, MessageID: 0x7d34, Token: []byte{0x20}, Options: options.Encode(nil)}
	buffer := make([]byte, 0, 1152)
	datagram, err := m.AppendTo(buffer)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Summary())
	fmt.Printf("%q\n", datagram)
	// Output:
	// CON GET mid=0x7d34 token=20 /temperature?unit=c Accept=json
	// "A\x01}4 \xbbtemperatureFunit=c!2"
}

// What arrives is ignored, rejected, answered with an error or served.
func ExampleParse() {
	for _, datagram := range []string{
		"A\x01}4 \xbbtemperature", // a request
		"A\x01}5 \xff",            // a payload marker, and no payload
		"A\x01}6 \xd0\x0a",        // option 23, Block2
		"\x81\x01}7",              // version 2
	} {
		m, err := coap.Parse([]byte(datagram))
		var format *coap.FormatError
		switch {
		case errors.As(err, &format):
			fmt.Printf("reset %#x: %v\n", m.MessageID, err)
			continue
		case err != nil:
			fmt.Println("silence:", err)
			continue
		}
		if bad, err := m.CheckOptions(coap.CoreOptions()); err != nil {
			fmt.Printf("%v: %s\n", coap.BadOption, coap.AppendDiagnostic(nil, bad, err))
			continue
		}
		fmt.Println("serve", m.Options.Path())
	}
	// Output:
	// serve /temperature
	// reset 0x7d35: coap: payload marker without payload (section 3)
	// 4.02 Bad Option: Block2 (23): unrecognized option
	// silence: coap: unknown version
}
