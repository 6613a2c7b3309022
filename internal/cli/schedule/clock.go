package schedule

import (
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // time zones on machines that have none

	schedulepb "go.temporal.io/api/schedule/v1"
)

// A clock change is a moment at which the clocks of a time zone are moved.
type clockChange struct {
	at            time.Time
	before, after int // offsets from UTC in seconds
}

// clockYears is how far ahead changes are searched: every rule has two changes within it.
const clockYears = 1

// zoneOf is the time zone of a schedule; nil = UTC, or one that is unknown here.
func zoneOf(s *schedulepb.ScheduleSpec) *time.Location {
	if zone, err := time.LoadLocation(s.GetTimezoneName()); err == nil && len(s.GetTimezoneData()) == 0 {
		return zone
	}
	return nil
}

// clockChanges lists the changes in the time after from.
func clockChanges(zone *time.Location, from time.Time) (all []clockChange) {
	end := from.AddDate(clockYears, 0, 0)
	for t := from.In(zone); t.Before(end); {
		_, next := t.ZoneBounds()
		if next.IsZero() || next.After(end) {
			return all
		}
		_, before := next.Add(-time.Second).Zone()
		_, after := next.Zone()
		if before != after {
			all = append(all, clockChange{at: next, before: before, after: after})
		}
		t = next
	}
	return all
}

// clockProblems names the days on which a calendar has no run, or two runs, because clocks are
// moved: the server compares literal clock times. A calendar that also has runs in the hours
// before and after goes on at its pace, so it has no problem.
func clockProblems(s *schedulepb.ScheduleSpec, from time.Time) (all []string) {
	zone := zoneOf(s)
	if zone == nil {
		return nil
	}
	for _, change := range clockChanges(zone, from) {
		for _, c := range s.GetStructuredCalendar() {
			if text := change.problem(c, zone); text != "" && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// problem describes what a change does to the runs of a calendar.
func (c clockChange) problem(s *schedulepb.StructuredCalendarSpec, zone *time.Location) string {
	// As clocks show it, in UTC, because these times do not exist in the zone, or twice.
	first, last := c.at.Unix()+int64(c.before), c.at.Unix()+int64(c.after) // skipped, if clocks go forward
	runs := "no run"
	if first > last {
		first, last, runs = last, first, "two runs" // repeated
	}
	hours := values(s.GetHour())
	for t := time.Unix(first, 0).UTC(); t.Unix() < last; t = t.Add(time.Minute) {
		around := slices.Contains(hours, (time.Unix(first, 0).UTC().Hour()+23)%24) && slices.Contains(hours, time.Unix(last, 0).UTC().Hour())
		if matches(s, t) && !around {
			return fmt.Sprintf("%s on %s at %s: clocks in %s are moved from %s to %s", runs, t.Format(time.DateOnly), t.Format("15:04"), zone,
				time.Unix(c.at.Unix()+int64(c.before), 0).UTC().Format("15:04"), time.Unix(c.at.Unix()+int64(c.after), 0).UTC().Format("15:04"))
		}
	}
	return ""
}

// matches reports whether a calendar has a run in the minute that clocks show as t.
func matches(s *schedulepb.StructuredCalendarSpec, t time.Time) bool {
	in := func(ranges []*schedulepb.Range, v int) bool { return slices.Contains(values(ranges), v) }
	return in(s.GetMinute(), t.Minute()) && in(s.GetHour(), t.Hour()) && in(s.GetDayOfMonth(), t.Day()) &&
		in(s.GetMonth(), int(t.Month())) && in(s.GetDayOfWeek(), int(t.Weekday())) &&
		(len(s.GetYear()) == 0 || in(s.GetYear(), t.Year()))
}
