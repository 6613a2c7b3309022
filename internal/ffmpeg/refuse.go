package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/safetext"
)

// sniff refuses what needs no child to be refused, and rewinds the file.
func sniff(op string, file *os.File) error {
	refuse := func(reason string) error { return fault.New(fault.Input, op, file.Name(), reason) }
	info, err := file.Stat()
	switch {
	case err != nil:
		return fault.Disk(op, file.Name(), err)
	case info.IsDir():
		return refuse("it is a directory")
	case !info.Mode().IsRegular():
		return refuse("it is not a regular file")
	case info.Size() == 0:
		return refuse("it is empty")
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fault.Disk(op, file.Name(), err)
	}
	head := make([]byte, 1024)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fault.Disk(op, file.Name(), err)
	}
	if playlist(head[:n]) {
		return refuse("it is a playlist; playlists are not followed")
	}
	return nil
}

// playlist recognizes the formats that name other files. The allow-list of
// demuxers keeps them out in any case; this makes the reason clear.
func playlist(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, start := range []string{"#EXTM3U", "ffconcat", "[playlist]", "RTSPtext", "<smil", "<asx", "<ASX"} {
		if bytes.HasPrefix(head, []byte(start)) {
			return true
		}
	}
	return bytes.HasPrefix(head, []byte("<")) && bytes.Contains(head, []byte("<MPD"))
}

// complaints counts what ffmpeg says at level error, and keeps the first line
// that says something.
type complaints struct {
	sound *tracks.Stream // whose errors do not damage pictures; nil = none. Set before the start

	keys    bool // only key frames are decoded: some decoders refuse the others with an error
	mu      sync.Mutex
	count   int
	damage  int // complaints that can be about pictures
	first   string
	sandbox string // what the sandbox itself complained about
}

var (
	lineContext = regexp.MustCompile(`^(\[[^\]]* @ 0x[0-9a-f]+\] )*(\[(error|fatal|panic)\] )?`)
	lineWarning = regexp.MustCompile(`^(\[[^\]]* @ 0x[0-9a-f]+\] )*\[warning\] `)
	// Our own output; its errors are not damage of the input.
	muxerContext = regexp.MustCompile(`^\[matroska @ 0x`)
)

func (c *complaints) add(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasPrefix(line, "bwrap: ") || strings.HasPrefix(line, "prlimit: ") || strings.HasPrefix(line, "enter: ") {
		c.sandbox = plain(line)
		return
	}
	if lineWarning.MatchString(line) {
		if strings.Contains(line, "corrupt decoded frame") && !c.ofSound(line) {
			c.damage++
		}
		return
	}
	if muxerContext.MatchString(line) || c.keys && strings.HasSuffix(strings.TrimSpace(line), ": Operation not permitted") {
		return
	}
	ofSound := c.ofSound(line)
	line = lineContext.ReplaceAllString(line, "")
	line = strings.TrimPrefix(plain(line), "file:/dev/fd/3: ")
	if line == "" {
		return
	}
	c.count++
	if !ofSound {
		c.damage++
	}
	if c.first == "" {
		c.first = strings.ReplaceAll(line, "file:/dev/fd/3", "the file")
	}
}

// ofSound recognizes what the decoder of the sound track says, or what is said about its stream.
func (c *complaints) ofSound(line string) bool {
	if c.sound == nil {
		return false
	}
	number := strconv.Itoa(c.sound.Index)
	return strings.HasPrefix(line, "["+c.sound.Codec+" @ ") || strings.Contains(line, "stream #0:"+number+":") ||
		strings.HasSuffix(strings.TrimSpace(line), "in stream "+number)
}

// pictures is how many complaints can be about pictures.
func (c *complaints) pictures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.damage
}

// total is how often ffmpeg complained.
func (c *complaints) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// plain makes text from a child fit to be shown on one line.
func plain(text string) string { return safetext.Line(text, 300) }

// refusal turns the failure of a child into a fault: whose fault is it?
func refusal(op string, file *os.File, err error, said *complaints) error {
	said.mu.Lock()
	defer said.mu.Unlock()
	var exit *sandbox.ExitError
	switch {
	case errors.Is(err, sandbox.ErrWall):
		return fault.New(fault.Input, op, file.Name(), "decoding took longer than it can for a valid video of its length")
	case errors.Is(err, sandbox.ErrOutput):
		return fault.New(fault.Input, op, file.Name(), "its header is too large")
	case errors.Is(err, sandbox.ErrMemory):
		return fault.New(fault.Input, op, file.Name(), "decoding needs more memory than it can for a valid video of its size")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case !errors.As(err, &exit):
		return fault.Wrap(fault.Transport, op, file.Name(), err)
	case said.sandbox != "":
		return fault.New(fault.Capacity, op, file.Name(), "the sandbox does not start: "+said.sandbox)
	case exit.Status == "signal: killed" || exit.Status == "exit status 137":
		return fault.New(fault.Capacity, op, file.Name(), "ffmpeg was killed, possibly out of memory")
	}
	return fault.New(fault.Input, op, file.Name(), reason(said.first, exit.Status))
}

// reason explains the first error to a reader who does not know ffmpeg.
func reason(first, status string) string {
	switch {
	case first == "":
		return "ffmpeg failed on it and did not say why: " + plain(status)
	case strings.Contains(first, "moov atom not found"):
		return "it is cut off, its index is missing: " + first
	case strings.Contains(first, "Picture size"):
		return "its pictures are too large: " + first
	case strings.Contains(first, "not on whitelist"):
		return "files of this kind are not read; containers that are: " + demuxers
	case strings.Contains(first, "Permission denied"):
		return "the sandboxed decoder may not read it; make it readable for the user of the worker: " + first
	case strings.Contains(first, "Invalid data found"):
		return "it is not a video, or damaged from the start: " + first
	}
	return "ffmpeg cannot read it: " + first
}
