package gpu

import (
	"encoding/csv"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

var (
	// uuid is what goes into the environment of processes.
	uuid = regexp.MustCompile(`^(GPU|MIG)-[0-9A-Za-z/-]{8,64}$`)
	// unreadable is what the tool says of a GPU that it cannot read, between the lines of the
	// others; some versions leave out the blank before the address.
	unreadable = regexp.MustCompile(`(?m)^Unable to determine the device handle for GPU\s*([0-9A-Fa-f:.]+): (.+?)\.?\s*$`)
	wholeLine  = regexp.MustCompile(`^GPU (\d+): (.+) \(UUID: (\S+)\)$`)
	partLine   = regexp.MustCompile(`^MIG ((?:\d+c\.)?\d+g\.(\d+)gb\S*)\s+Device\s+\d+: \(UUID: (\S+)\)\s*$`)
)

// hasLine reports whether the output has a line of a device.
func hasLine(out string) bool { return strings.Contains(out, "GPU-") && strings.Contains(out, ", ") }

// parseQuery reads lines of index, UUID, address, name, MiB, used MiB, MIG mode and errors. split
// has the indices of GPUs in MIG mode, which only their instances can be used of.
func parseQuery(out string) (devices []Device, split []int, err error) {
	if isNone(out) {
		return nil, nil, nil
	}
	var lost []Device
	for _, m := range unreadable.FindAllStringSubmatch(out, -1) {
		lost = append(lost, Device{Index: -1, Bus: address(m[1]), UsedBytes: -1, Trouble: m[2]})
	}
	out = unreadable.ReplaceAllString(out, "")
	lines := csv.NewReader(strings.NewReader(out))
	lines.FieldsPerRecord, lines.TrimLeadingSpace = 8, true
	records, err := lines.ReadAll()
	if err != nil {
		return nil, nil, strange(out, err)
	}
	for _, r := range records {
		for i := range r {
			r[i] = strings.TrimSpace(r[i])
		}
		d, ok := device(r)
		if !ok {
			return nil, nil, strange(strings.Join(r, ", "), nil)
		}
		if r[6] == "Enabled" && d.Trouble == "" {
			split = append(split, d.Index)
		}
		devices = append(devices, d)
	}
	return append(devices, lost...), split, nil
}

// device reads one line.
func device(r []string) (d Device, ok bool) {
	index, err := strconv.Atoi(r[0])
	if err != nil || index < 0 {
		return d, false
	}
	d = Device{Index: index, UsedBytes: -1, Bus: address(r[2])}
	for _, i := range []int{1, 3, 4} { // what every GPU that works can say
		if trouble := strings.Trim(r[i], "[]"); trouble != r[i] && !isAbsent(trouble) || strings.Contains(r[i], "ERR!") {
			d.Trouble = trouble
		}
	}
	if uuid.MatchString(r[1]) {
		d.UUID = r[1]
	}
	if d.Trouble != "" {
		return d, d.UUID != "" || d.Bus != ""
	}
	if d.Name = r[3]; d.UUID == "" || d.Name == "" {
		return d, false
	}
	if !isAbsent(strings.Trim(r[4], "[]")) { // absent: memory shared with the CPU
		mib, err := strconv.ParseInt(r[4], 10, 64)
		if err != nil || mib <= 0 || mib > 1<<30 {
			return d, false
		}
		d.MemoryBytes = mib << 20
		if used, err := strconv.ParseInt(r[5], 10, 64); err == nil && used >= 0 && used <= mib {
			d.UsedBytes = used << 20
		}
	}
	if errors, err := strconv.ParseInt(r[7], 10, 64); err == nil && errors > 0 {
		d.Uncorrected = errors
	}
	return d, true
}

func isAbsent(field string) bool { return field == "N/A" || field == "Not Supported" }

// address is an address on the bus; the tool writes it in upper case with a domain of eight digits.
func address(text string) string {
	if domain, rest, ok := strings.Cut(text, ":"); ok && strings.Trim(text, "0123456789abcdefABCDEF:.") == "" {
		return strings.ToUpper(strings.Repeat("0", max(0, 8-len(domain))) + domain + ":" + rest)
	}
	return ""
}

// fields reads the lines of a further query, and calls one for those of the device.
func fields(out string, n int, devices []Device, one func(d *Device, r []string)) {
	for line := range strings.Lines(out) {
		r := strings.Split(line, ",")
		if len(r) != n {
			continue // a message: this GPU or driver does not support the query
		}
		for i := range r {
			r[i] = strings.TrimSpace(r[i])
		}
		if at := slices.IndexFunc(devices, func(d Device) bool { return d.UUID != "" && d.UUID == r[0] }); at >= 0 {
			one(&devices[at], r)
		}
	}
}

func remapped(out string, devices []Device) {
	fields(out, 2, devices, func(d *Device, r []string) { d.RemapFailed = r[1] == "Yes" || r[1] == "1" })
}

func apps(out string, devices []Device) {
	fields(out, 3, devices, func(d *Device, r []string) {
		pid, err := strconv.Atoi(r[1])
		if err != nil {
			return
		}
		mib, err := strconv.ParseInt(r[2], 10, 64)
		if err != nil {
			mib = 0 // "[N/A]", as inside containers
		}
		d.Processes = append(d.Processes, Process{PID: pid, Bytes: mib << 20})
	})
}

// parseInstances reads nvidia-smi -L and puts the instances of GPUs in MIG mode in their places.
// Their memory is what the profile promises; the tool does not say what of it is used.
func parseInstances(out string, devices []Device, split []int) ([]Device, error) {
	at := -1
	instances := map[int][]Device{}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if m := wholeLine.FindStringSubmatch(line); m != nil {
			at, _ = strconv.Atoi(m[1]) // digits
			continue
		}
		if line == "" || unreadable.MatchString(line) {
			continue
		}
		m := partLine.FindStringSubmatch(line)
		if m == nil || at < 0 || !uuid.MatchString(m[3]) {
			return nil, strange(line, nil)
		}
		gb, err := strconv.ParseInt(m[2], 10, 32)
		if err != nil {
			return nil, strange(line, err)
		}
		instances[at] = append(instances[at], Device{UUID: m[3], Profile: m[1], MemoryBytes: gb * 1e9, UsedBytes: -1})
	}
	var all []Device
	for _, d := range devices {
		if !slices.Contains(split, d.Index) {
			all = append(all, d)
			continue
		}
		for _, part := range instances[d.Index] {
			part.Index, part.Name, part.Whole, part.Bus, part.Uncorrected, part.RemapFailed = d.Index, d.Name, d.UUID, d.Bus, d.Uncorrected, d.RemapFailed
			all = append(all, part)
		}
	}
	return all, nil
}

func strange(text string, err error) error {
	const longest = 200
	return &fault.Error{
		Class: fault.Capacity, Op: readOp, Subject: text[:min(len(text), longest)],
		Reason: "nvidia-smi named no GPU that is known here; name the class with --gpu, or --gpu none", Err: err,
	}
}
