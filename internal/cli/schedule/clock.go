package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones on machines that have none

	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// clockYears is how far ahead clock changes are searched: every rule has its changes within it.
const clockYears = 1

// clockDay is a day on which the clocks of a time zone are moved.
type clockDay struct {
	start, end    time.Time
	change        time.Time
	before, after int // offsets from UTC in seconds
}

// zoneOf is the time zone of a schedule; nil = it is unknown here.
func zoneOf(s *schedulepb.ScheduleSpec) *time.Location {
	if zone, err := time.LoadLocation(s.GetTimezoneName()); err == nil && len(s.GetTimezoneData()) == 0 {
		return zone
	}
	return nil
}

// clockDays lists the clock changes in the time after from.
func clockDays(zone *time.Location, from time.Time) (all []clockDay) {
	end := from.AddDate(clockYears, 0, 0)
	for t := from.In(zone); ; {
		_, next := t.ZoneBounds()
		if next.IsZero() || next.After(end) {
			return all
		}
		_, before := next.Add(-time.Second).Zone()
		_, after := next.Zone()
		if before != after {
			y, m, d := next.Add(-time.Second).In(zone).Date()
			all = append(all, clockDay{
				start: time.Date(y, m, d, 0, 0, 0, 0, zone), end: time.Date(y, m, d+1, 0, 0, 0, 0, zone), change: next, before: before, after: after,
			})
		}
		t = next
	}
}

// clockProblems asks the server for the runs of a schedule on the days of clock changes, and
// describes the days that have too few or too many. Servers differ in this, so nothing is
// assumed: one that was measured gives a run at 01:59 a second one at 02:59.
func (a app) clockProblems(ctx context.Context, c client.Client, id string, s *schedulepb.ScheduleSpec, from time.Time) (all []string, err error) {
	zone := zoneOf(s)
	if zone == nil || len(s.GetStructuredCalendar()) == 0 || len(s.GetInterval())+len(s.GetExcludeStructuredCalendar()) > 0 ||
		s.GetStartTime() != nil || s.GetEndTime() != nil {
		return nil, nil // the days have other runs too, or lack some for other reasons
	}
	for _, day := range clockDays(zone, from) {
		times, err := a.matching(ctx, c, id, timestamppb.New(day.start), timestamppb.New(day.end.Add(-time.Second)))
		if err != nil {
			return nil, err
		}
		if text := day.problem(s, times); text != "" {
			all = append(all, text)
		}
	}
	return all, nil
}

// problem compares the runs of a day with what its calendars say.
func (d clockDay) problem(s *schedulepb.ScheduleSpec, times []time.Time) string {
	zone, expected := d.start.Location(), 0
	for _, c := range s.GetStructuredCalendar() {
		expected += d.expected(c)
	}
	// Jitter moves runs, so with it only their number is known.
	strange := s.GetJitter().AsDuration() == 0 && slices.ContainsFunc(times, func(t time.Time) bool {
		return !slices.ContainsFunc(s.GetStructuredCalendar(), func(c *schedulepb.StructuredCalendarSpec) bool { return matches(c, t.In(zone)) })
	})
	if len(times) == expected && !strange {
		return ""
	}
	var clocks []string
	for _, t := range times[:min(len(times), maxClockTimes)] {
		clocks = append(clocks, t.In(zone).Format("15:04 MST"))
	}
	text := fmt.Sprintf("%s instead of %d on %s, when clocks in %s are moved from %s to %s", runs(int64(len(times))), expected, d.start.Format(time.DateOnly), zone,
		d.shown(d.before).Format("15:04"), d.shown(d.after).Format("15:04"))
	if len(times) > 0 && len(times) <= maxClockTimes {
		text += " (" + strings.Join(clocks, ", ") + ")"
	}
	return text
}

// shown is what clocks with an offset show at the change, as a time in UTC.
func (d clockDay) shown(offset int) time.Time {
	return d.change.UTC().Add(time.Duration(offset) * time.Second)
}

// expected is the number of runs of a calendar: those of a usual day. A calendar that also has
// runs in the hours before and after the change goes on at its pace instead.
func (d clockDay) expected(c *schedulepb.StructuredCalendarSpec) (n int) {
	first, last := d.shown(d.before), d.shown(d.after)
	if first.After(last) {
		first, last = last, first
	}
	hours := values(c.GetHour())
	if slices.Contains(hours, first.Add(-time.Minute).Hour()) && slices.Contains(hours, first.Hour()) && slices.Contains(hours, last.Hour()) {
		for t := d.start; t.Before(d.end); t = t.Add(time.Minute) {
			if matches(c, t) {
				n++
			}
		}
		return n
	}
	y, m, day := d.start.Date()
	for t := time.Date(y, m, day, 0, 0, 0, 0, time.UTC); t.Day() == day; t = t.Add(time.Minute) {
		if matches(c, t) {
			n++
		}
	}
	return n
}

// matches reports whether a calendar has a run in the minute that the clock of t shows.
func matches(s *schedulepb.StructuredCalendarSpec, t time.Time) bool {
	in := func(ranges []*schedulepb.Range, v int) bool { return slices.Contains(values(ranges), v) }
	return in(s.GetMinute(), t.Minute()) && in(s.GetHour(), t.Hour()) && in(s.GetDayOfMonth(), t.Day()) &&
		in(s.GetMonth(), int(t.Month())) && in(s.GetDayOfWeek(), int(t.Weekday())) &&
		(len(s.GetYear()) == 0 || in(s.GetYear(), t.Year()))
}
