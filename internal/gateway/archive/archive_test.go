package archive_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/archive"
)

type entry struct {
	zip.FileHeader
	data []byte
}

func named(names ...string) (all []entry) {
	for _, n := range names {
		all = append(all, entry{zip.FileHeader{Name: n, Method: zip.Deflate}, []byte("data of " + n)})
	}
	return all
}

func packed(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		f, err := w.CreateHeader(&e.FileHeader)
		require.NoError(t, err)
		_, err = f.Write(e.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestRead(t *testing.T) {
	t.Parallel()
	a, err := archive.Open(packed(t, named("b.jpg", "a.png")...))
	require.NoError(t, err)
	require.Equal(t, []string{"b.jpg", "a.png"}, a.Names())
	data, err := a.Read("a.png")
	require.NoError(t, err)
	require.Equal(t, "data of a.png", string(data))
	_, err = a.Read("c.png")
	require.Error(t, err)
}

// directory changes the entry of the first file in the directory of an archive.
func directory(data []byte, change func(head []byte)) []byte {
	out := bytes.Clone(data)
	change(out[bytes.Index(out, []byte("PK\x01\x02")):])
	return out
}

// TestHostile: each row is an attack on those who unpack archives.
func TestHostile(t *testing.T) {
	t.Parallel()
	one := packed(t, named("a.jpg")...)
	stored := packed(t, entry{zip.FileHeader{Name: "a.jpg", Method: zip.Store}, []byte("0123456789")})
	mode := func(m fs.FileMode) []byte {
		e := named("a.jpg")[0]
		e.SetMode(m)
		return packed(t, e)
	}
	bomb := entry{zip.FileHeader{Name: "a.jpg", Method: zip.Deflate}, make([]byte, 20<<20)}
	var crowd []entry
	for i := range 1001 {
		crowd = append(crowd, entry{zip.FileHeader{Name: strconv.Itoa(i), Method: zip.Store}, nil})
	}
	both := packed(t, named("a.jpg", "b.jpg")...)
	overlap := bytes.Clone(both)
	second := bytes.LastIndex(overlap, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(overlap[second+42:], 0) // the offset of the first file
	total := packed(t, func() (all []entry) {
		for i := range 20 {
			e := entry{zip.FileHeader{Name: strconv.Itoa(i), Method: zip.Store}, []byte("x")}
			all = append(all, e)
		}
		return all
	}()...)
	for at := 0; ; {
		i := bytes.Index(total[at:], []byte("PK\x01\x02"))
		if i < 0 {
			break
		}
		at += i + 4
		binary.LittleEndian.PutUint32(total[at+16:], 30<<20) // its lengths
		binary.LittleEndian.PutUint32(total[at+20:], 30<<20)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"slip":             {packed(t, named("../a.jpg")...), "without a folder"},
		"absolute":         {packed(t, named("/etc/passwd")...), "without a folder"},
		"windows":          {packed(t, named("..\\a.jpg")...), "without a folder"},
		"drive":            {packed(t, named("C:a.jpg")...), "without a folder"},
		"NUL":              {packed(t, named("a\x00.jpg")...), "without a folder"},
		"dots":             {packed(t, named("..")...), "empty or too long"},
		"control":          {packed(t, named("a\x1b[2J.jpg")...), "printable"},
		"folder":           {packed(t, named("b/a.jpg")...), "without a folder"},
		"link":             {mode(fs.ModeSymlink | 0o777), "not a folder, a link"},
		"device":           {mode(fs.ModeDevice | 0o666), "not a folder, a link"},
		"pipe":             {mode(fs.ModeNamedPipe | 0o666), "not a folder, a link"},
		"duplicate":        {packed(t, named("a.jpg", "a.jpg")...), "occurs twice"},
		"other case":       {packed(t, named("a.jpg", "A.JPG")...), "occurs twice"},
		"bomb":             {packed(t, bomb), "times as large"},
		"too many":         {packed(t, crowd...), "at most 1000"},
		"overlap":          {overlap, "overlap"},
		"total":            {total, "512 MiB"},
		"encrypted":        {directory(one, func(h []byte) { h[8] |= 1 }), "encrypted"},
		"method":           {directory(one, func(h []byte) { h[10] = 99 }), "not supported"},
		"CRC":              {directory(one, func(h []byte) { h[16] ^= 1 }), "checksum"},
		"length":           {directory(one, func(h []byte) { h[24]++ }), "cannot be unpacked"},
		"shorter":          {directory(one, func(h []byte) { h[24] -= 5 }), ""},
		"zip64 length":     {directory(stored, func(h []byte) { binary.LittleEndian.PutUint32(h[24:], 1<<31) }), "more than 32 MiB"},
		"zip64 without it": {directory(stored, func(h []byte) { binary.LittleEndian.PutUint32(h[24:], 1<<32-1) }), ""},
		"not an archive":   {[]byte("PK"), "not a valid ZIP"},
		"truncated":        {one[:len(one)-10], "not a valid ZIP"},
		"no data":          {directory(stored, func(h []byte) { binary.LittleEndian.PutUint32(h[42:], 1<<30) }), "header"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := archive.Open(c.data)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Input, fault.ClassOf(err), "it is the fault of the caller")
		})
	}
}
