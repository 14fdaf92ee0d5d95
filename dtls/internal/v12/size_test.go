package v12

import (
	"testing"
	"unsafe"

	"github.com/coaps-go/coaps/dtls/internal/hs"
	"github.com/coaps-go/coaps/dtls/internal/record"
)

func TestSize(t *testing.T) {
	t.Log(unsafe.Sizeof(Conn{}), unsafe.Sizeof(hs.Facts{}), unsafe.Sizeof(record.Layer{}), unsafe.Sizeof(handshake{}), unsafe.Sizeof(exporter{}))
}
