// Package packets reads the times of a stream's packets and decides whether pictures can be
// found by them. It knows what ffprobe prints, and runs no program.
package packets

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Entries is the value of ffprobe's -show_entries; the output must be csv=p=0.
const Entries = "packet=pts_time,dts_time,flags"

// A clock jumps when the times of two packets differ by more than this. ffmpeg takes such
// jumps out, in containers whose clock may start anew.
const (
	jumpForward = 10_000 // milliseconds
	jumpBack    = -100
)

// tolerance is how much times may differ by rounding, in milliseconds.
const tolerance = 2

// Table is what the packets of one stream say. Times are milliseconds since the start of
// the container. The zero value is a stream without packets.
type Table struct {
	Times      []int64 // presentation, ascending, without what is never shown
	Keys       []int64 // of them, those of key packets
	Doubt      string  // why pictures cannot be found by these times; empty = they can
	Jumps      int     // of the clock
	Untimed    int     // pictures before the first one that has a time
	DurationMS int64   // from the first packet to the end of the last, without jumps
}

// Read takes ffprobe's lines. startMS is the start of the container; reordered says that
// the stream has pictures that are shown in another order than they are stored.
func Read(r io.Reader, startMS int64, reordered bool) (Table, error) {
	s := scan{start: startMS}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		s.line(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return Table{}, err
	}
	return s.table(reordered), nil
}

// scan is a Table in the making.
type scan struct {
	Table
	start   int64
	before  int64 // the decoding time before; valid if begun
	begun   bool
	step    int64 // between the two packets before
	moved   bool  // some packet is shown later than it is decoded
	packets int
}

func (s *scan) line(text string) {
	fields := strings.Split(text, ",")
	if len(fields) < 3 {
		return // an empty line, or side data
	}
	s.packets++
	pts, timed := milliseconds(fields[0])
	dts, ordered := milliseconds(fields[1])
	key := strings.HasPrefix(fields[2], "K")
	if ordered || timed {
		at := dts
		if !ordered {
			at = pts
		}
		s.clock(at)
	}
	if !timed && len(s.Times) == 0 {
		s.Untimed++
	}
	switch {
	case strings.Contains(fields[2], "D"): // decoded and not shown
	case !timed && key:
		s.doubt("key frames have no time")
	case !timed:
		s.doubt("pictures have no time")
	default:
		s.Times = append(s.Times, pts-s.start)
		if key {
			s.Keys = append(s.Keys, pts-s.start)
		}
	}
	s.moved = s.moved || timed && ordered && pts != dts
}

// clock adds the time from one packet to the next. In place of a jump, it takes the step before.
func (s *scan) clock(at int64) {
	if s.begun {
		step := at - s.before
		if step > jumpForward || step < jumpBack {
			s.Jumps++
			s.doubt("its clock jumps")
			step = s.step
		}
		s.step = max(step, 0)
		s.DurationMS += s.step
	}
	s.begun, s.before = true, at
}

func (s *scan) doubt(reason string) {
	if s.Doubt == "" {
		s.Doubt = reason
	}
}

func (s *scan) table(reordered bool) Table {
	s.DurationMS += s.step // of the last packet
	switch {
	case s.packets > 1 && reordered && !s.moved:
		s.doubt("its times are those of decoding")
	case len(s.Keys) == 0:
		s.doubt("no key frame has a time")
	case !slices.IsSorted(s.Keys):
		s.doubt("the times of its key frames go back")
	}
	slices.Sort(s.Times)
	return s.Table
}

// Find returns the time of the picture nearest to ms, if there is one within rounding.
func (t Table) Find(ms int64) bool { return near(t.Times, ms) }

// Key reports whether a key packet has that time.
func (t Table) Key(ms int64) bool { return near(t.Keys, ms) }

func near(times []int64, ms int64) bool {
	i, _ := slices.BinarySearch(times, ms-tolerance)
	return i < len(times) && times[i] <= ms+tolerance
}

// Complete reports whether decoded pictures, by their times in order, are all that the
// stream has from the first of them on, and whether that is the first one at or after from.
// Only pictures that begin before until are compared; 0 = all.
func (t Table) Complete(decoded []int64, from, until int64) bool {
	i, _ := slices.BinarySearch(t.Times, from-tolerance)
	for _, ms := range decoded {
		for i < len(t.Times) && t.Times[i] < from && t.Times[i] < ms-tolerance {
			i++ // at the border, by rounding
		}
		if until > 0 && ms >= until-tolerance {
			return true
		}
		if i >= len(t.Times) || ms < t.Times[i]-tolerance || ms > t.Times[i]+tolerance {
			return false
		}
		i++
		for i < len(t.Times) && t.Times[i] <= ms { // pictures of the same millisecond
			i++
		}
	}
	return i >= len(t.Times) || until > 0 && t.Times[i] >= until-tolerance
}

// milliseconds reads seconds; "N/A" is no time.
func milliseconds(seconds string) (int64, bool) {
	d, err := strconv.ParseFloat(seconds, 64)
	if err != nil || math.IsNaN(d) || math.Abs(d) > 1e9 {
		return 0, false
	}
	return int64(math.Round(d * 1000)), true
}
