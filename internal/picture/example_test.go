package picture_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/picture"
)

const most = 1 << 20

// corners is a picture with another colour in each corner: red, lime, blue, white.
func corners() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 64, 32))
	for y := range 32 {
		for x := range 64 {
			m.SetRGBA(x, y, map[[2]bool]color.RGBA{
				{false, false}: {255, 0, 0, 255}, {true, false}: {0, 255, 0, 255},
				{false, true}: {0, 0, 255, 255}, {true, true}: {255, 255, 255, 255},
			}[[2]bool{x >= 32, y >= 16}])
		}
	}
	return m
}

// letters names the colours of the corners: two above, two below.
func letters(t *testing.T, data []byte) (out string) {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	b := m.Bounds()
	for _, p := range []image.Point{{4, 4}, {b.Dx() - 5, 4}, {4, b.Dy() - 5}, {b.Dx() - 5, b.Dy() - 5}} {
		r, g, blue, _ := m.At(p.X, p.Y).RGBA()
		switch high := [3]bool{r > 0x8000, g > 0x8000, blue > 0x8000}; high {
		case [3]bool{true, false, false}:
			out += "r"
		case [3]bool{false, true, false}:
			out += "g"
		case [3]bool{false, false, true}:
			out += "b"
		default:
			out += "w"
		}
	}
	return out
}

// turned is a JPEG with an EXIF orientation.
func turned(t *testing.T, turn uint16, order binary.AppendByteOrder, mark string) []byte {
	t.Helper()
	var plain bytes.Buffer
	require.NoError(t, jpeg.Encode(&plain, corners(), &jpeg.Options{Quality: 95}))
	tiff := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	tiff = order.AppendUint16(tiff, 1)                                                    // entries
	tiff = order.AppendUint32(order.AppendUint16(order.AppendUint16(tiff, 0x0112), 3), 1) // orientation, short, one
	tiff = order.AppendUint32(order.AppendUint16(order.AppendUint16(tiff, turn), 0), 0)   // value, padding, end
	exif := append([]byte("Exif\x00\x00"), tiff...)
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(exif)+2))...)
	return append(append(head, exif...), plain.Bytes()[2:]...)
}

// TestOrientation: the table is that of the EXIF standard.
func TestOrientation(t *testing.T) {
	t.Parallel()
	for turn, want := range []string{"rgbw", "rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb", "rgbw"} {
		for mark, order := range map[string]binary.AppendByteOrder{"II": binary.LittleEndian, "MM": binary.BigEndian} {
			data := turned(t, uint16(turn), order, mark)
			out, err := picture.JPEG("p", data, most)
			require.NoError(t, err)
			require.Equal(t, want, letters(t, out), "orientation %d", turn)
			if want == "rgbw" {
				require.Equal(t, data, out, "a JPEG that is upright stays as it is")
			}
			for cut := range 40 { // of the EXIF data
				_, _ = picture.JPEG("p", append(data[:20+cut:20+cut], data[60:]...), most)
			}
		}
	}
}

func TestJPEG(t *testing.T) {
	t.Parallel()
	var opaque bytes.Buffer
	require.NoError(t, png.Encode(&opaque, corners()))
	out, err := picture.JPEG("p", opaque.Bytes(), most)
	require.NoError(t, err)
	require.Equal(t, "rgbw", letters(t, out))

	var transparent bytes.Buffer
	require.NoError(t, png.Encode(&transparent, image.NewNRGBA(image.Rect(0, 0, 32, 32))))
	out, err = picture.JPEG("p", transparent.Bytes(), most)
	require.NoError(t, err)
	require.Equal(t, "wwww", letters(t, out), "transparent is white")

	dot, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	require.NoError(t, err)
	out, err = picture.JPEG("p", dot, most)
	require.NoError(t, err)
	head, err := jpeg.DecodeConfig(bytes.NewReader(out))
	require.NoError(t, err)
	require.Equal(t, [2]int{1, 1}, [2]int{head.Width, head.Height})

	large := red(t, 4000, 3000)
	out, err = picture.JPEG("p", large, most)
	require.NoError(t, err)
	head, err = jpeg.DecodeConfig(bytes.NewReader(out))
	require.NoError(t, err)
	require.LessOrEqual(t, head.Width*head.Height, 1<<22)
	require.InDelta(t, 4.0/3, float64(head.Width)/float64(head.Height), 0.01)
}

// TestBadPictures: each is an input fault with its reason, before memory is taken for it.
func TestBadPictures(t *testing.T) {
	t.Parallel()
	whole := red(t, 64, 64)
	var plain bytes.Buffer
	require.NoError(t, png.Encode(&plain, corners()))
	bomb := bytes.Clone(plain.Bytes()) // a header of 100,000 × 100,000 pixels
	binary.BigEndian.PutUint32(bomb[16:], 100_000)
	binary.BigEndian.PutUint32(bomb[20:], 100_000)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	for name, c := range map[string]struct {
		data   []byte
		reason string
	}{
		"empty":         {nil, "is not a JPEG, PNG or WebP picture"},
		"text":          {[]byte("a text"), "is not a JPEG, PNG or WebP picture"},
		"gif":           {[]byte("GIF89a\x01\x00\x01\x00"), "is not a JPEG, PNG or WebP picture"},
		"half":          {whole[:len(whole)/2], "truncated"},
		"a header only": {whole[:3], "truncated"},
		"half a PNG":    {plain.Bytes()[:plain.Len()-30], "not enough pixel data"},
		"damaged":       {append(bytes.Clone(plain.Bytes()[:60]), make([]byte, 60)...), "damaged"},
		"a bomb":        {bomb, "more than 67 million"},
		"a large file":  {make([]byte, picture.MaxFile+1), "larger than 64 MiB"},
	} {
		_, err := picture.JPEG("p", c.data, most)
		require.Equal(t, fault.Input, fault.ClassOf(err), name)
		require.ErrorContains(t, err, c.reason, name)
	}
	_, err := picture.JPEG("p", red(t, 4000, 3000), 100)
	require.ErrorContains(t, err, "make it smaller")
}

// TestLossyWebP: black, white and red of a lossy WebP, whose brightness goes from 16 to 235.
func TestLossyWebP(t *testing.T) {
	t.Parallel()
	data, err := base64.StdEncoding.DecodeString("UklGRlIAAABXRUJQVlA4IEYAAAAwAwCdASowABAAPhkKhEGhBVUABABhLGAOwB+AH6AAUYSYAP7/uwI//9zed/7bmP//xzJuYYn/HNv//8WE8DijI//FRAAA")
	require.NoError(t, err)
	out, err := picture.JPEG("a.webp", data, most)
	require.NoError(t, err)
	m, err := jpeg.Decode(bytes.NewReader(out))
	require.NoError(t, err)
	for x, want := range map[int][3]int{8: {0, 0, 0}, 24: {255, 255, 255}, 40: {255, 0, 0}} {
		r, g, b, _ := m.At(x, 8).RGBA()
		require.InDeltaSlice(t, want[:], []int{int(r >> 8), int(g >> 8), int(b >> 8)}, 6)
	}
}
