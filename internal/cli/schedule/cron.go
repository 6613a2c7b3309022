package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	schedulepb "go.temporal.io/api/schedule/v1"
)

// field is one field of a cron expression.
type field struct {
	name      string
	low, high int
	words     []string // names of the values from low on
}

func cronFields() []field {
	return []field{
		{name: "minute", high: 59},
		{name: "hour", high: 23},
		{name: "day of the month", low: 1, high: 31},
		{name: "month", low: 1, high: 12, words: monthNames()},
		{name: "day of the week", high: 7, words: dayNames()},
	}
}

func monthNames() []string {
	return []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
}

func dayNames() []string { return []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"} }

func cronShorthands() map[string]string {
	return map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	}
}

// parseCron converts a cron expression to the calendar that the server makes of it. The command
// line needs the calendar before the schedule exists: to check it against clock changes, and to
// compare it with a schedule that exists.
func parseCron(text string) (*schedulepb.StructuredCalendarSpec, error) {
	words := strings.Fields(text)
	if len(words) == 1 {
		words = strings.Fields(cronShorthands()[strings.ToLower(words[0])])
	}
	switch {
	case strings.HasPrefix(text, "@every"):
		return nil, fmt.Errorf("use --every for %q", text)
	case strings.Contains(text, "TZ="):
		return nil, fmt.Errorf("use --time-zone for the time zone of %q", text)
	case len(words) != 5:
		return nil, fmt.Errorf("%q must have 5 fields: minute, hour, day of the month, month, day of the week, as in \"30 3 * * 1-5\"", text)
	}
	parsed := make([][]*schedulepb.Range, len(words))
	for i, f := range cronFields() {
		var err error
		if parsed[i], err = f.parse(words[i]); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
	}
	return &schedulepb.StructuredCalendarSpec{
		Second: []*schedulepb.Range{{Step: 1}},
		Minute: parsed[0], Hour: parsed[1], DayOfMonth: parsed[2], Month: parsed[3], DayOfWeek: sundays(parsed[4]),
	}, nil
}

func (f field) parse(text string) (ranges []*schedulepb.Range, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return nil, fmt.Errorf("the step of %q must be a positive number", part)
			}
		}
		r := &schedulepb.Range{Start: int32(f.low), End: int32(f.high), Step: int32(step)}
		if f.name == "day of the week" {
			r.End = 6 // 7 is a second name of Sunday
		}
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			if r.Start, err = f.value(first); err != nil {
				return nil, err
			}
			switch {
			case ranged:
				if r.End, err = f.value(last); err != nil {
					return nil, err
				}
			case !stepped: // "5/15" is from 5 to the end
				r.End = r.Start
			}
		}
		if r.GetEnd() < r.GetStart() {
			return nil, fmt.Errorf("%s %q ends before it starts", f.name, part)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func (f field) value(text string) (int32, error) {
	i := slices.IndexFunc(f.words, func(w string) bool { return strings.EqualFold(w, text) })
	if i >= 0 {
		return int32(f.low + i), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.low || n > f.high {
		return 0, fmt.Errorf("%s must be %d to %d, not %q", f.name, f.low, f.high, text)
	}
	return int32(n), nil
}

// sundays writes Sunday as 0, as the server does.
func sundays(ranges []*schedulepb.Range) []*schedulepb.Range {
	var out []*schedulepb.Range
	for _, r := range ranges {
		if r.GetEnd() == 7 {
			if (7-r.GetStart())%r.GetStep() == 0 {
				out = append(out, &schedulepb.Range{Step: 1})
			}
			r = &schedulepb.Range{Start: r.GetStart(), End: 6, Step: r.GetStep()}
			if r.GetStart() == 7 {
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// values lists the values of ranges in ascending order, each once. An end before the start
// means a single value, and a step of 0 means 1, as for the server.
func values(ranges []*schedulepb.Range) (all []int) {
	for _, r := range ranges {
		end, step := max(r.GetStart(), r.GetEnd()), max(1, r.GetStep())
		for v := r.GetStart(); v <= end; v += step {
			all = append(all, int(v))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
