// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"iter"
	"net/netip"
)

// STUB: for minutes only.

type Code uint8

const (
	Empty  Code = 0
	GET    Code = 1
	POST   Code = 2
	PUT    Code = 3
	DELETE Code = 4
	FETCH  Code = 5
	PATCH  Code = 6
	IPATCH Code = 7

	Created  Code = 2<<5 | 1
	Deleted  Code = 2<<5 | 2
	Valid    Code = 2<<5 | 3
	Changed  Code = 2<<5 | 4
	Content  Code = 2<<5 | 5
	Continue Code = 2<<5 | 31

	BadRequest               Code = 4<<5 | 0
	Unauthorized             Code = 4<<5 | 1
	BadOption                Code = 4<<5 | 2
	Forbidden                Code = 4<<5 | 3
	NotFound                 Code = 4<<5 | 4
	MethodNotAllowed         Code = 4<<5 | 5
	NotAcceptable            Code = 4<<5 | 6
	RequestEntityIncomplete  Code = 4<<5 | 8
	Conflict                 Code = 4<<5 | 9
	PreconditionFailed       Code = 4<<5 | 12
	RequestEntityTooLarge    Code = 4<<5 | 13
	UnsupportedContentFormat Code = 4<<5 | 15
	UnprocessableEntity      Code = 4<<5 | 22
	TooManyRequests          Code = 4<<5 | 29

	InternalServerError  Code = 5<<5 | 0
	NotImplemented       Code = 5<<5 | 1
	BadGateway           Code = 5<<5 | 2
	ServiceUnavailable   Code = 5<<5 | 3
	GatewayTimeout       Code = 5<<5 | 4
	ProxyingNotSupported Code = 5<<5 | 5
	HopLimitReached      Code = 5<<5 | 8
)

func (c Code) Class() uint8      { panic("todo") }
func (c Code) Detail() uint8     { panic("todo") }
func (c Code) IsEmpty() bool     { panic("todo") }
func (c Code) IsRequest() bool   { panic("todo") }
func (c Code) IsResponse() bool  { panic("todo") }
func (c Code) IsSuccess() bool   { panic("todo") } // 2.xx
func (c Code) IsError() bool     { panic("todo") } // 4.xx, 5.xx
func (c Code) IsReserved() bool  { panic("todo") } // class 1, 6, 7 (§4.2); class 3 is reserved too but answers to IsResponse
func (c Code) Dotted() string    { panic("todo") } // "2.05"
func (c Code) Name() string      { panic("todo") } // "Content", "GET", ""
func (c Code) String() string    { panic("todo") } // "2.05 Content", "0.01 GET" is "GET"
func ParseCode(s string) (Code, error) { panic("todo") } // "2.05", "GET", "Content"

type OptionNumber uint16

const (
	IfMatch       OptionNumber = 1
	URIHost       OptionNumber = 3
	ETag          OptionNumber = 4
	IfNoneMatch   OptionNumber = 5
	Observe       OptionNumber = 6
	URIPort       OptionNumber = 7
	LocationPath  OptionNumber = 8
	OSCORE        OptionNumber = 9
	URIPath       OptionNumber = 11
	ContentFormatOption OptionNumber = 12
	MaxAge        OptionNumber = 14
	URIQuery      OptionNumber = 15
	HopLimit      OptionNumber = 16
	Accept        OptionNumber = 17
	QBlock1       OptionNumber = 19
	LocationQuery OptionNumber = 20
	EDHOC         OptionNumber = 21
	Block2        OptionNumber = 23
	Block1        OptionNumber = 27
	Size2         OptionNumber = 28
	QBlock2       OptionNumber = 31
	ProxyURI      OptionNumber = 35
	ProxyScheme   OptionNumber = 39
	Size1         OptionNumber = 60
	Echo          OptionNumber = 252
	NoResponse    OptionNumber = 258
	RequestTag    OptionNumber = 292
)

func (n OptionNumber) Critical() bool   { panic("todo") }
func (n OptionNumber) Unsafe() bool     { panic("todo") }
func (n OptionNumber) NoCacheKey() bool { panic("todo") }
func (n OptionNumber) Repeatable() bool { panic("todo") }
func (n OptionNumber) Format() ValueFormat { panic("todo") }
func (n OptionNumber) Length() (lowest, highest int) { panic("todo") }
func (n OptionNumber) Known() bool      { panic("todo") } // has a row in the registry
func (n OptionNumber) String() string   { panic("todo") } // "Uri-Path", "Option 65001"
func ParseOptionNumber(s string) (OptionNumber, error) { panic("todo") } // "Uri-Path", "11"

// ValueFormat is the format of an option's value, RFC 7252 section 3.2.
type ValueFormat uint8

const (
	FormatOpaque ValueFormat = iota
	FormatEmpty
	FormatUint
	FormatString
)

type ContentFormat uint16

const (
	TextPlain   ContentFormat = 0
	LinkFormat  ContentFormat = 40
	XML         ContentFormat = 41
	OctetStream ContentFormat = 42
	JSON        ContentFormat = 50
	CBOR        ContentFormat = 60
	SenMLJSON   ContentFormat = 110
	SenMLCBOR   ContentFormat = 112
)

func (f ContentFormat) String() string    { panic("todo") } // short name "text", "json", else media type, else number
func (f ContentFormat) MediaType() string { panic("todo") } // "application/json", ""
func ParseContentFormat(s string) (ContentFormat, error) { panic("todo") }

// Options are encoded options as they stand in a message, without the payload
// marker. Methods stop at what is malformed; Parse has checked what it returns.
type Options []byte

func (o Options) All() iter.Seq2[OptionNumber, []byte]              { panic("todo") }
func (o Options) Values(num OptionNumber) iter.Seq[[]byte]          { panic("todo") }
func (o Options) Get(num OptionNumber) ([]byte, bool)               { panic("todo") } // first occurrence
func (o Options) GetUint(num OptionNumber) (uint32, bool)           { panic("todo") }
func (o Options) Has(num OptionNumber) bool                         { panic("todo") }
func (o Options) Validate() error                                   { panic("todo") } // *FormatError
func (o Options) Check() (bad OptionNumber, err error)              { panic("todo") } // as a request, with the options of RFC 7252 recognized
func (o Options) List() OptionList                                  { panic("todo") } // values are views
func (o Options) ContentFormat() (ContentFormat, bool)              { panic("todo") }
func (o Options) Accept() (ContentFormat, bool)                     { panic("todo") }
func (o Options) Path() string                                      { panic("todo") } // "/a/b" of the Uri-Path options, percent-encoded per §6.5
func (o Options) AppendPath(dst []byte) []byte                      { panic("todo") }
func (o Options) Query() []string                                   { panic("todo") } // decoded arguments

// OptionSet is the set of options an endpoint recognizes.
type OptionSet struct{ small [5]uint64; large []OptionNumber }

func CoreOptions() *OptionSet                                { panic("todo") } // those of RFC 7252
func (s *OptionSet) With(nums ...OptionNumber) *OptionSet    { panic("todo") } // a copy with more
func (s *OptionSet) Contains(n OptionNumber) bool            { panic("todo") }

// CheckOptions: like Options.Check, for requests and responses.
func (m *Message) CheckOptions(recognized *OptionSet) (bad OptionNumber, err error) { panic("todo") }

func AppendOption(dst []byte, prev, num OptionNumber, value []byte) []byte  { panic("todo") }
func AppendUintOption(dst []byte, prev, num OptionNumber, v uint32) []byte  { panic("todo") }
func AppendUint(dst []byte, v uint32) []byte                                { panic("todo") } // the value alone
func DecodeUint(value []byte) (uint32, bool)                                { panic("todo") }

type Option struct {
	Number OptionNumber
	Value  []byte
}

type OptionList []Option

func (l *OptionList) Add(num OptionNumber, value []byte)         { panic("todo") }
func (l *OptionList) AddString(num OptionNumber, value string)   { panic("todo") }
func (l *OptionList) AddUint(num OptionNumber, v uint32)         { panic("todo") }
func (l *OptionList) Set(num OptionNumber, value []byte)         { panic("todo") }
func (l *OptionList) Remove(num OptionNumber)                    { panic("todo") }
func (l OptionList) Get(num OptionNumber) ([]byte, bool)         { panic("todo") }
func (l OptionList) GetUint(num OptionNumber) (uint32, bool)     { panic("todo") }
func (l OptionList) Has(num OptionNumber) bool                   { panic("todo") }
func (l OptionList) Sort()                                       { panic("todo") }
func (l OptionList) Encode(dst []byte) Options                   { panic("todo") } // appends, returns dst extended

type Message struct {
	Type      Type
	Code      Code
	MessageID uint16
	Token     []byte
	Options   Options
	Payload   []byte
}

const MaxTokenLength = 8

var (
	ErrTooShort = errors.New("coap: shorter than the header")
	ErrVersion  = errors.New("coap: unknown version")
)

// FormatError: a message format error; the header fields of the Message are valid.
type FormatError struct{ what, section string }

func (e *FormatError) Error() string { return e.what }

func Parse(datagram []byte) (Message, error)                 { panic("todo") }
func (m *Message) AppendTo(dst []byte) ([]byte, error)       { panic("todo") }
func (m *Message) Size() int                                 { panic("todo") }
func (m *Message) Summary() string                           { panic("todo") }
func (m *Message) Diagnostic() (string, bool)                { panic("todo") } // §5.5.2, printable

type URI struct {
	Scheme   string   // "coap" or "coaps"
	Host     string   // lower case, percent-decoded; an IP address without brackets, with its zone
	HostIsIP bool
	Port     uint16   // the scheme's default if not given
	Path     []string // decoded Uri-Path values
	Query    []string // decoded Uri-Query values
}

const (
	DefaultPort       = 5683
	DefaultSecurePort = 5684
)

var (
	ErrURIScheme    = errors.New("todo")
	ErrURITransport = errors.New("todo") // coap+tcp, coaps+tcp, coap+ws, coaps+ws
	ErrURIUserinfo  = errors.New("todo")
	ErrURIFragment  = errors.New("todo")
	ErrURIHost      = errors.New("todo")
	ErrURIPort      = errors.New("todo")
	ErrURISyntax    = errors.New("todo") // a character or percent-encoding
	ErrURILength    = errors.New("todo") // a component no option can hold
)

// URIError is what ParseURI returns; Unwrap gives one of the ErrURI values.
type URIError struct {
	URI string
	Err error
}

func (e *URIError) Error() string { return "todo" }
func (e *URIError) Unwrap() error { return e.Err }

func ParseURI(s string) (URI, error)                   { panic("todo") }
func (u *URI) Secure() bool                            { panic("todo") }
func (u *URI) Addr() (netip.Addr, bool)                { panic("todo") }
func (u *URI) Options(withHost bool) OptionList        { panic("todo") }
func (u *URI) OptionsFor(dest netip.AddrPort) OptionList { panic("todo") } // §6.4 to the letter, for a proxy
func (u *URI) String() string                          { panic("todo") }
func (u *URI) Authority() string                       { panic("todo") } // host[:port] as in String
func ComposeURI(secure bool, dest netip.AddrPort, o Options) (string, error) { panic("todo") }
