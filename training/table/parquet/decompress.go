package parquet

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compressions.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecBrotli = 4
	codecZstd   = 6
	codecLZ4    = 7
)

var codecNames = [...]string{"none", "Snappy", "gzip", "LZO", "Brotli", "LZ4 of Hadoop", "Zstandard", "LZ4"} //nolint:gochecknoglobals // a table

// supportedCodec refuses what is not decompressed.
func supportedCodec(codec int64) error {
	switch codec {
	case codecNone, codecSnappy, codecGzip, codecBrotli, codecZstd, codecLZ4:
		return nil
	}
	name := "of an unknown kind"
	if codec >= 0 && codec < int64(len(codecNames)) {
		name = codecNames[codec]
	}
	return &Error{Kind: Unsupported, Reason: "its compression is " + name, Fix: "write it with Zstandard, Snappy, gzip, Brotli or LZ4 (LZ4_RAW)"}
}

// decompress fills dst, whose length is the size that the page states, with exactly that.
func decompress(codec int64, dst, src []byte) error {
	err := errDamaged
	switch codec {
	case codecNone:
		if len(src) == len(dst) {
			copy(dst, src)
			err = nil
		}
	case codecSnappy:
		if n, e := snappy.DecodedLen(src); e == nil && n == len(dst) {
			_, err = snappy.Decode(dst, src)
		}
	case codecLZ4:
		var n int
		if n, err = lz4.UncompressBlock(src, dst); err == nil && n != len(dst) {
			err = errDamaged
		}
	case codecGzip:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(src)); err == nil {
			err = fill(r, dst)
		}
	case codecBrotli:
		err = fill(brotli.NewReader(bytes.NewReader(src)), dst)
	case codecZstd:
		var r *zstd.Decoder
		if r, err = zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true)); err == nil {
			err = fill(r, dst)
			r.Close()
		}
	}
	if err != nil {
		return corrupt("a page cannot be decompressed")
	}
	return nil
}

// maxWindow is the memory of a Zstandard decoder: that of the strongest usual level.
const maxWindow = 128 << 20

var errDamaged = errors.New("damaged")

// fill reads exactly as much as dst holds.
func fill(r io.Reader, dst []byte) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return err
	}
	var more [1]byte
	if n, err := r.Read(more[:]); n != 0 || !errors.Is(err, io.EOF) {
		return errDamaged
	}
	return nil
}
