package matroska_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ffmpeg/matroska"
)

func FuzzDemuxer(f *testing.F) {
	f.Add([]byte{
		0x1A, 0x45, 0xDF, 0xA3, 0x80, 0x18, 0x53, 0x80, 0x67, 0xFF, 0x1F, 0x43, 0xB6, 0x75, 0x88,
		0xE7, 0x81, 0x05, 0xA3, 0x85, 0x81, 0x00, 0x01, 0x80, 0x2A,
	})
	f.Add([]byte{0xA3, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := matroska.New(bytes.NewReader(raw))
		for total := 0; ; {
			p, err := d.Next()
			if err != nil {
				require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, matroska.ErrDamaged), err)
				return
			}
			total += len(p.Data)
			require.LessOrEqual(t, total, len(raw))
		}
	})
}

func TestDemuxer(t *testing.T) {
	t.Parallel()
	d := matroska.New(bytes.NewReader([]byte{
		0x1A, 0x45, 0xDF, 0xA3, 0x80, 0x18, 0x53, 0x80, 0x67, 0xFF, 0x1F, 0x43, 0xB6, 0x75, 0x88,
		0xE7, 0x82, 0x01, 0x05, 0xA3, 0x85, 0x81, 0xFF, 0xFF, 0x80, 0x2A,
	}))
	p, err := d.Next()
	require.NoError(t, err)
	require.Equal(t, matroska.Packet{Track: 1, PTSMS: 0x104, Data: []byte{0x2A}}, p, "a timestamp before its cluster's")
	_, err = d.Next()
	require.Equal(t, io.EOF, err)
}
