package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	schedulepb "go.temporal.io/api/schedule/v1"
)

// specWords describes when a schedule has runs, one text for each calendar and interval.
func specWords(s *schedulepb.ScheduleSpec) (all []string) {
	zone := s.GetTimezoneName()
	if zone == "" {
		zone = "UTC"
	}
	for _, c := range s.GetStructuredCalendar() {
		all = append(all, calendarWords(c)+" "+zone)
	}
	for _, i := range s.GetInterval() {
		text := "every " + spanWords(i.GetInterval().AsDuration())
		if phase := i.GetPhase().AsDuration(); phase > 0 {
			text += ", shifted by " + spanWords(phase)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		all = append(all, "only when triggered")
	}
	for _, c := range s.GetExcludeStructuredCalendar() {
		all = append(all, "except "+calendarWords(c)+" "+zone)
	}
	return all
}

// spanWords formats a duration without zero parts: 1h30m, 24h, 7d.
func spanWords(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}

func calendarWords(c *schedulepb.StructuredCalendarSpec) string {
	at, days := clockWords(c), dayWords(c)
	if days == "" && strings.HasPrefix(at, "at ") {
		days = "daily"
	}
	return strings.TrimSpace(days + " " + at)
}

// maxClockTimes bounds the times of a day that are listed one by one.
const maxClockTimes = 4

// clockWords describes the times of a day.
func clockWords(c *schedulepb.StructuredCalendarSpec) string {
	seconds, minutes, hours := values(c.GetSecond()), values(c.GetMinute()), values(c.GetHour())
	if !slices.Equal(seconds, []int{0}) {
		return fmt.Sprintf("at second %s of minute %s of hour %s", list(seconds, 60, 0, nil), list(minutes, 60, 0, nil), list(hours, 24, 0, nil))
	}
	if len(minutes)*len(hours) <= maxClockTimes {
		var times []string
		for _, h := range hours {
			for _, m := range minutes {
				times = append(times, fmt.Sprintf("%02d:%02d", h, m))
			}
		}
		return "at " + strings.Join(times, ", ")
	}
	text := minuteWords(minutes)
	switch {
	case len(hours) == 24:
		return text
	case stepOf(hours) == 1:
		return fmt.Sprintf("%s from %02d:00 to %02d:59", text, hours[0], hours[len(hours)-1])
	}
	return text + " in the hours " + list(hours, 24, 0, nil)
}

// minuteWords describes the minutes of an hour.
func minuteWords(minutes []int) string {
	step := stepOf(minutes)
	switch {
	case len(minutes) == 60:
		return "every minute"
	case step > 0 && minutes[0] == 0 && step*len(minutes) == 60:
		return fmt.Sprintf("every %d minutes", step)
	case len(minutes) > maxClockTimes:
		return "hourly in the minutes " + list(minutes, 60, 0, nil)
	}
	var times []string
	for _, m := range minutes {
		times = append(times, fmt.Sprintf(":%02d", m))
	}
	return "hourly at " + strings.Join(times, ", ")
}

// dayWords describes the days; "" = every day. All parts must match, so a day of the month and a
// day of the week are a condition.
func dayWords(c *schedulepb.StructuredCalendarSpec) string {
	var parts []string
	week, month := values(c.GetDayOfWeek()), values(c.GetDayOfMonth())
	onDays := len(month) < 31
	if onDays {
		parts = append(parts, "on day "+list(month, 31, 1, nil)+" of the month")
	}
	if len(week) < 7 {
		text := list(week, 7, 0, dayNames())
		if onDays {
			text = "if it is " + text
		}
		parts = append(parts, text)
	}
	if months := values(c.GetMonth()); len(months) < 12 {
		parts = append(parts, "in "+list(months, 12, 1, monthNames()))
	}
	if years := values(c.GetYear()); len(years) > 0 {
		parts = append(parts, "in "+list(years, 0, 0, nil))
	}
	return strings.Join(parts, " ")
}

// stepOf is the constant distance of values; 0 = it is not constant.
func stepOf(all []int) int {
	step := 0
	for i := 1; i < len(all); i++ {
		d := all[i] - all[i-1]
		if step != 0 && d != step {
			return 0
		}
		step = d
	}
	return step
}

// list formats values, with runs of more than two as ranges.
func list(all []int, count, low int, names []string) string {
	if len(all) == count {
		return "*"
	}
	word := func(v int) string {
		if names != nil && v-low < len(names) {
			return names[v-low]
		}
		return strconv.Itoa(v)
	}
	var parts []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		if j-i > 1 {
			parts = append(parts, word(all[i])+"–"+word(all[j]))
		} else {
			for k := i; k <= j; k++ {
				parts = append(parts, word(all[k]))
			}
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// policyWords are the values of --overlap, by the server's number.
func policyWords() []string {
	return []string{"skip", "skip", "buffer-one", "buffer-all", "cancel-other", "terminate-other", "allow-all"}
}
