package image_test

import (
	"bytes"
	"encoding/base64"
	goimage "image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

// files are complete images of 40 × 30 pixels in every format.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	picture := goimage.NewGray(goimage.Rect(0, 0, 40, 30))
	var p, j, g bytes.Buffer
	require.NoError(t, png.Encode(&p, picture))
	require.NoError(t, jpeg.Encode(&j, picture, nil))
	require.NoError(t, gif.Encode(&g, picture, nil))
	// Lossless WebP: 14 bits of width - 1, 14 bits of height - 1.
	webp := "RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f" + "\x27\x40\x07\x00" + "\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
	return map[string][]byte{"png": p.Bytes(), "jpeg": j.Bytes(), "gif": g.Bytes(), "webp": []byte(webp)}
}

func uri(kind string, data []byte) string {
	return "data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
}

// TestOf: every form that dspy.Image takes gives the same image.
func TestOf(t *testing.T) {
	t.Parallel()
	for kind, data := range files(t) {
		made, err := image.FromBytes(data)
		require.NoError(t, err, kind)
		assert.Equal(t, uri(kind, data), made.URL())
		assert.Equal(t, len(data), made.Bytes())
		content, ok := made.Data()
		assert.True(t, ok)
		assert.Equal(t, data, content)
		for _, form := range []any{made, made.URL(), made.Text(), python.NewObject("url", made.URL())} {
			again, err := image.Of(form)
			require.NoError(t, err)
			assert.Equal(t, made, again)
			assert.Same(t, unsafe.StringData(made.URL()), unsafe.StringData(again.URL()), "copies share the data")
		}
		assert.Contains(t, made.Repr(), "Image(url=data:image/"+kind+";base64,<IMAGE_BASE_64_ENCODED(")
		assert.Equal(t, 2833+4*5667, made.MaxTokens(), "scaled to 1024 × 768")
	}
	remote, err := image.Of("https://example.com/a.png")
	require.NoError(t, err)
	assert.Equal(t, "Image(url='https://example.com/a.png')", remote.Repr())
	assert.Equal(t, `<<CUSTOM-TYPE-START-IDENTIFIER>>[{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]<<CUSTOM-TYPE-END-IDENTIFIER>>`, remote.Text())
	assert.Greater(t, remote.MaxTokens(), 2833+8*5667, "the size is unknown")
	jpg, err := image.Of(strings.Replace(uri("jpeg", files(t)["jpeg"]), "image/jpeg", "image/jpg", 1))
	require.NoError(t, err)
	assert.Contains(t, jpg.URL(), "image/jpg", "sent as it was given")
}

// TestMaxTokens: the bound is above what vendors count for images of known sizes.
func TestMaxTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ width, height, tokens int }{
		{512, 512, 2833 + 5667}, {1024, 1024, 2833 + 4*5667}, {2048, 4096, 2833 + 6*5667}, // OpenAI's examples, for gpt-4o-mini
		{1092, 1092, 1590}, {2000, 2000, 5334}, // Anthropic's, without its limit
		{3584, 3584, 16384},     // Qwen2-VL at its most pixels
		{1024, 1024, 4096 + 64}, // Pixtral, with a token per row
		{1, 5000, 2240},
	} {
		var data bytes.Buffer
		require.NoError(t, png.Encode(&data, goimage.NewGray(goimage.Rect(0, 0, c.width, c.height))))
		made, err := image.FromBytes(data.Bytes())
		require.NoError(t, err)
		require.GreaterOrEqual(t, made.MaxTokens(), c.tokens, "%d × %d", c.width, c.height)
		require.Less(t, made.MaxTokens(), 80_000)
	}
}

// TestRefuses: what no model can read is refused, with the reason.
func TestRefuses(t *testing.T) {
	t.Parallel()
	for kind, data := range files(t) {
		for _, keep := range []int{12, len(data) / 2, len(data) - 5} {
			_, err := image.Of(uri(kind, data[:keep]))
			require.ErrorContains(t, err, "damaged", "%s, %d bytes", kind, keep)
		}
	}
	full := files(t)["png"]
	var huge bytes.Buffer
	require.NoError(t, png.Encode(&huge, goimage.NewGray(goimage.Rect(0, 0, 1<<14, 1<<13))))
	for _, c := range []struct {
		value any
		want  string
	}{
		{uri("jpeg", full), "declared as image/jpeg and is image/png"},
		{uri("png", huge.Bytes()), "16384 × 8192 pixels"},
		{uri("png", make([]byte, image.MaxBytes+4)), "over 8 MiB"},
		{uri("png", []byte("<svg/>")), "not a PNG, JPEG, GIF or WebP"},
		{"data:image/png;base64,%%%", "not valid base64"},
		{"data:image/png," + string(full), "must begin with data:image/"},
		{"data:text/plain;base64,QUJD", `not "text/plain"`},
		{"photo.png", "local files"},
		{"/etc/passwd", "local files"},
		{"file:///etc/passwd", "local files"},
		{"ftp://example.com/a.png", "http, https or gs"},
		{"https://user:secret@example.com/a.png", "a user name or a password"},
		{"https://example.com/" + strings.Repeat("a", 9000), "at most 8192"},
		{"", "data URI"},
		{int64(7), "data URI"},
		{nil, "data URI"},
		{python.NewObject("url", "https://example.com/a", "download", true), "data URI"},
		{python.NewObject("url", int64(1)), "data URI"},
		{"<<CUSTOM-TYPE-START-IDENTIFIER>>[]<<CUSTOM-TYPE-END-IDENTIFIER>>", "not one image"},
		{`<<CUSTOM-TYPE-START-IDENTIFIER>>[{"type": "input_audio"}]<<CUSTOM-TYPE-END-IDENTIFIER>>`, "not one image"},
		{"<<CUSTOM-TYPE-START-IDENTIFIER>>[", "not one image"},
	} {
		_, err := image.Of(c.value)
		require.ErrorContains(t, err, c.want)
		require.Less(t, len(err.Error()), 300)
		require.NotContains(t, err.Error(), "secret")
	}
}

// FuzzOf: no data causes a panic, and an image that is accepted is read again from its text.
func FuzzOf(f *testing.F) {
	for kind, data := range files(f) {
		f.Add(uri(kind, data))
	}
	f.Add("https://example.com/a.png")
	f.Fuzz(func(t *testing.T, text string) {
		made, err := image.Of(text)
		if err != nil {
			return
		}
		_, _ = made.Repr(), made.MaxTokens()
		again, err := image.Of(made.Text())
		require.NoError(t, err)
		require.Equal(t, made, again)
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	made, err := image.Of("https://example.com/a.png")
	require.NoError(t, err)
	row := python.NewObject("a", made, "b", []any{made, "x"}, "c", python.NewObject("d", made), "e", int64(1))
	require.Len(t, image.In(row), 3)
	require.Equal(t, `{'a': "Image(url='https://example.com/a.png')", 'b': ["Image(url='https://example.com/a.png')", 'x'], `+
		`'c': {'d': "Image(url='https://example.com/a.png')"}, 'e': 1}`, python.Repr(image.Describe(row)))
	require.Equal(t, len(";base64,QUJD")+len(";base64,QQ=="), image.EncodedBytes([]byte(`"data:image/png;base64,QUJD", ";base64,QQ==" base64`)))
}

// TestAnimated: only files with several frames are animated.
func TestAnimated(t *testing.T) {
	t.Parallel()
	for kind, data := range files(t) {
		assert.False(t, image.Animated(data), kind)
		require.NoError(t, image.Check(data))
	}
	frame := goimage.NewPaletted(goimage.Rect(0, 0, 40, 30), color.Palette{color.Black, color.White})
	var moving bytes.Buffer
	require.NoError(t, gif.EncodeAll(&moving, &gif.GIF{Image: []*goimage.Paletted{frame, frame}, Delay: []int{1, 1}}))
	assert.True(t, image.Animated(moving.Bytes()), "gif")
	for n := range moving.Len() {
		image.Animated(moving.Bytes()[:n]) // a truncated file is counted as far as it goes
	}
	still := files(t)["png"]
	apng := bytes.Replace(still, []byte("IDAT"), []byte("acTL\x00\x00\x00\x00IDAT"), 1)
	assert.True(t, image.Animated(apng), "png")
	webp := []byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x27\x00\x00\x1d\x00\x00")
	assert.True(t, image.Animated(webp), "webp")
	webp[20] = 0x10
	assert.False(t, image.Animated(webp), "webp with transparency only")
}
