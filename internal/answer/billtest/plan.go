package billtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Fault is a way in which a call fails, or in which its answer is odd.
type Fault string

// The faults. What is billed is decided before an answer is sent, as providers do.
const (
	None Fault = ""

	// Refusals, which bill nothing.
	TooMany    Fault = "429"
	Busy       Fault = "503"
	Broken     Fault = "500"
	BadGateway Fault = "502"

	// Answers that can be used.
	OddTypes Fault = "odd types" // created as a fraction, ids as numbers, …
	Absurd   Fault = "absurd"    // its usage is
	NoUsage  Fault = "no usage"  // and none

	// Answers that were billed and cannot be used, except streams of chat models.
	OtherShape Fault = "other shape" // its usage can be read
	Cut        Fault = "cut"         // half of it
	HangUp     Fault = "hang up"     // nothing of it
	Slow       Fault = "slow"        // later than any caller waits
	Page       Fault = "page"        // a proxy's HTML instead
	Stream     Fault = "stream"      // events, which were not requested
	Inside     Fault = "200 error"   // an error instead
	TimedOut   Fault = "504"         // a proxy stopped waiting
)

// usable are the faults after which a caller has its answer.
func (f Fault) usable() bool { return f == None || f == OddTypes || f == Absurd || f == NoUsage }

// free are the faults of calls that are not billed.
func (f Fault) free() bool { return f == TooMany || f == Busy || f == Broken || f == BadGateway }

// exact are the faults after which an answer still says what it cost.
func (f Fault) exact() bool {
	return f.free() || f == None || f == OddTypes || f == OtherShape || f == Stream
}

// Plan decides how calls fail. It depends on nothing but its seed and what is
// asked, so a run can be had again. The zero value lets none fail.
type Plan struct {
	Seed   uint64
	Rate   float64 // share of calls that fail, from 0 to 1
	Streak int     // at most so many calls of one question bring no answer, one after the other
}

// fault is what happens to a call, counted from 0 among those of its question.
func (p Plan) fault(question string, call int) Fault {
	all := []Fault{
		TooMany, Busy, Broken, BadGateway, OddTypes, Absurd, NoUsage,
		OtherShape, Cut, HangUp, Slow, Page, Stream, Inside, TimedOut, OddTypes, Absurd,
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", p.Seed, question, call))
	if float64(binary.BigEndian.Uint32(sum[:])) >= p.Rate*(1<<32) {
		return None
	}
	f := all[int(binary.BigEndian.Uint32(sum[4:]))%len(all)]
	if call >= p.Streak && !f.usable() {
		return None
	}
	return f
}

// absurd is a usage that no call has, each its own.
func absurd(question string, call int) any {
	sum := sha256.Sum256(fmt.Appendf(nil, "usage %s %d", question, call))
	all := []any{
		map[string]any{"prompt_tokens": 9e18, "completion_tokens": 9e18},
		map[string]any{"prompt_tokens": -5, "completion_tokens": -9e18},
		map[string]any{"prompt_tokens": nil, "completion_tokens": nil},
		map[string]any{"prompt_tokens": 0, "completion_tokens": 0},
		map[string]any{"prompt_tokens": "NaN", "completion_tokens": []any{}},
		map[string]any{"prompt_tokens": 0, "completion_tokens": 9e9},
		"none", 7,
		[]any{},
	}
	return all[int(sum[0])%len(all)]
}
