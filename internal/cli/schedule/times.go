package schedule

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	schedulepb "go.temporal.io/api/schedule/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cogniverse/cogflow/internal/cli"
)

// times are the flags that say when a schedule has runs.
type times struct {
	every, cron         []string
	offset, jitter      string
	zone, start, end    string
	acceptsClockChanges bool
}

func (t *times) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&t.every, "every", nil, `interval such as 10m, 24h or 7d, counted from 1970 in UTC, whatever clocks show; repeat for more`)
	f.StringVar(&t.offset, "offset", "", "shift of the runs of --every, such as 3h")
	f.StringArrayVar(&t.cron, "cron", nil, "minute, hour, day of the month, month, day of the week: `\"30 3 * * 1-5\"`; all must match; repeat for more")
	f.StringVar(&t.zone, "time-zone", "", "time zone of --cron, such as Europe/Berlin (default UTC)")
	f.BoolVar(&t.acceptsClockChanges, "accept-clock-changes", false, "accept days with missing or additional runs because clocks are moved")
	f.StringVar(&t.jitter, "jitter", "", "delay each run by a random time up to this, such as 5m")
	f.StringVar(&t.start, "start", "", "no run before this time: 2026-11-30, \"2026-11-30 03:00\" or RFC 3339")
	f.StringVar(&t.end, "end", "", "no run after this time")
}

// spec converts the flags to the server's form, and checks them.
func (t times) spec(now time.Time) (*schedulepb.ScheduleSpec, error) {
	s := &schedulepb.ScheduleSpec{TimezoneName: t.zone}
	zone, err := time.LoadLocation(t.zone)
	switch {
	case len(t.every) == 0 && len(t.cron) == 0:
		return nil, cli.Usage(`--every 24h or --cron "0 3 * * *" is required`)
	case err != nil || t.zone == "Local":
		return nil, cli.Usage("--time-zone must be a name such as Europe/Berlin or UTC, not %q", t.zone)
	case t.zone != "" && len(t.cron) == 0:
		return nil, cli.Usage("--time-zone requires --cron; --every counts from 1970 in UTC")
	case t.offset != "" && len(t.every) == 0:
		return nil, cli.Usage("--offset requires --every")
	}
	if err := t.intervals(s); err != nil {
		return nil, err
	}
	for _, text := range t.cron {
		c, err := parseCron(text)
		if err != nil {
			return nil, cli.Usage("--cron: %v", err)
		}
		s.StructuredCalendar = append(s.StructuredCalendar, c)
	}
	if s.Jitter, err = span("jitter", t.jitter, 0); err != nil {
		return nil, err
	}
	if s.StartTime, err = moment("start", t.start, zone); err != nil {
		return nil, err
	}
	if s.EndTime, err = moment("end", t.end, zone); err != nil {
		return nil, err
	}
	if end := s.GetEndTime(); end != nil && end.GetSeconds() <= max(now.Unix(), s.GetStartTime().GetSeconds()) {
		return nil, cli.Usage("--end must be after --start and after now")
	}
	return s, nil
}

func (t times) intervals(s *schedulepb.ScheduleSpec) error {
	phase, err := span("offset", t.offset, 0)
	if err != nil {
		return err
	}
	for _, text := range t.every {
		every, err := span("every", text, time.Second)
		if err != nil {
			return err
		}
		if phase.AsDuration() >= every.AsDuration() {
			return cli.Usage("--offset must be less than --every")
		}
		s.Interval = append(s.Interval, &schedulepb.IntervalSpec{Interval: every, Phase: phase})
	}
	return nil
}

// span parses a duration, also in days; "" = 0. The server counts in whole seconds.
func span(flag, text string, least time.Duration) (*durationpb.Duration, error) {
	if text == "" {
		return durationpb.New(0), nil
	}
	d, err := time.ParseDuration(text)
	if days, cut := strings.CutSuffix(text, "d"); cut {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < least || d%time.Second != 0 {
		return nil, cli.Usage("--%s must be a time of whole seconds, at least %s, such as 90s, 10m, 24h or 7d, not %q", flag, least, text)
	}
	return durationpb.New(d), nil
}

// moment parses a time; a text without an offset is in zone. "" = nil.
func moment(flag, text string, zone *time.Location) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return timestamppb.New(t), nil
		}
	}
	return nil, cli.Usage("--%s must be a time such as 2026-11-30, \"2026-11-30 03:00\" or 2026-11-30T03:00:00Z, not %q", flag, text)
}
