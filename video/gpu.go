package video

import (
	"cmp"
	"slices"
	"strings"
)

// GPUClasses lists the classes that pools can have, from small to large.
func GPUClasses() []string {
	return []string{"cpu", "t4", "l4", "a10g", "l40s", "a100-40gb", "a100-80gb", "h100", "h200", "b200"}
}

// GPUClass returns the class that a name means; "" = unknown. Besides the classes it knows the
// names of serverless GPU clouds: "A10G", "A10", "A100", "A100-40GB". A class is always exact, so
// "H100!", which excludes an upgrade there, is "h100".
func GPUClass(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), "!")
	switch name {
	case "a10":
		name = "a10g"
	case "a100":
		name = "a100-40gb"
	}
	if slices.Contains(GPUClasses(), name) {
		return name
	}
	return ""
}

// GPUNames replaces names by the classes that they mean, and keeps unknown ones.
func GPUNames(names []string) (classes []string) {
	for _, name := range names {
		classes = append(classes, cmp.Or(GPUClass(name), name))
	}
	return classes
}

// GPUClassOf finds the class from nvidia-smi's name and memory in MiB, "NVIDIA
// A100-SXM4-80GB, 81920"; "" = unknown.
func GPUClassOf(line string) string {
	name := strings.ToUpper(line)
	has := func(s string) bool { return strings.Contains(name, s) }
	switch {
	case has("A100") && has("80GB"):
		return "a100-80gb"
	case has("A100"):
		return "a100-40gb"
	case has("L40S"):
		return "l40s"
	case has("A10G"), has("A10,"):
		return "a10g"
	case has("B200") && !has("GB200"):
		return "b200"
	case has("H200") && !has("GH200"):
		return "h200"
	case has("H100"):
		return "h100"
	case has("L4,"):
		return "l4"
	case has("T4,"):
		return "t4"
	}
	return ""
}
