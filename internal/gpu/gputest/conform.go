package gputest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
)

// Case is a host, and what a reading of it must say.
type Case struct {
	Want  []gpu.Device
	Fault string // what the fault says; empty = there is none
}

const (
	a100  = "NVIDIA A100-SXM4-80GB"
	first = "GPU-5f2c6f7e-0a3b-9d1c-7a44-1f3f0c9b2e10"
	other = "GPU-c0ffee00-1111-2222-3333-444455556666"
)

func whole(index int, uuid, bus string) gpu.Device {
	return gpu.Device{Index: index, UUID: uuid, Bus: bus, Name: a100, MemoryBytes: 81920 << 20, UsedBytes: 4 << 20}
}

func with(d gpu.Device, change func(d *gpu.Device)) gpu.Device {
	change(&d)
	return d
}

// Cases are hosts that every way to read GPUs has to know.
func Cases() map[string]Case {
	one, two := whole(0, first, "00000000:07:00.0"), whole(1, other, "00000000:65:00.0")
	return map[string]Case{
		"two":  {Want: []gpu.Device{one, two}},
		"none": {},
		"t4": {Want: []gpu.Device{with(one, func(d *gpu.Device) { // without MIG and remapping
			d.Name, d.MemoryBytes, d.UsedBytes = "Tesla T4", 15360<<20, 0
		})}},
		"h100 in use": {Want: []gpu.Device{with(one, func(d *gpu.Device) {
			d.Name, d.MemoryBytes, d.UsedBytes = "NVIDIA H100 80GB HBM3", 81559<<20, 33008<<20
			d.Processes = []gpu.Process{{PID: 4242, Bytes: 32486 << 20}, {PID: 4300, Bytes: 512 << 20}}
		})}},
		"ill": {Want: []gpu.Device{
			with(one, func(d *gpu.Device) { d.Uncorrected = 2 }),
			with(two, func(d *gpu.Device) { d.RemapFailed = true }),
		}},
		"mig": {Want: []gpu.Device{
			with(one, func(d *gpu.Device) {
				d.UUID, d.Whole, d.Profile, d.MemoryBytes = "MIG-2d0ac7b3-6a0e-5b7c-8f21-0c6f4b1f9f10", first, "3g.40gb", 40e9
			}),
			with(one, func(d *gpu.Device) {
				d.UUID, d.Whole, d.Profile, d.MemoryBytes = "MIG-7b1e4a9c-1d9f-5c3a-9e11-5a2b7d7c3e20", first, "1g.10gb", 10e9
			}),
			two,
		}},
		"lost":            {Want: []gpu.Device{one, {Index: 1, Trouble: "Unknown Error"}}},
		"driver mismatch": {Fault: "Driver/library version mismatch"},
		"no driver":       {},
	}
}

// Conform checks a way to read GPUs. open makes the host of a case.
func Conform(t *testing.T, open func(t *testing.T, name string, c Case) gpu.Devices) {
	t.Helper()
	for name, c := range Cases() {
		t.Run(name, func(t *testing.T) {
			d := open(t, name, c)
			require.NotEmpty(t, d.Source())
			for range 2 { // a second reading says the same
				got, err := d.Read(t.Context())
				if c.Fault != "" {
					require.ErrorContains(t, err, c.Fault)
					require.Equal(t, fault.Capacity, fault.ClassOf(err))
					continue
				}
				require.NoError(t, err)
				require.Equal(t, c.Want, same(got))
			}
			require.NoError(t, d.Close())
		})
	}
}

// same leaves out what not every driver or tool can say.
func same(devices []gpu.Device) (out []gpu.Device) {
	for _, d := range devices {
		if d.Profile != "" { // the tool does not say what of an instance is used, and rounds its memory
			const round = 1e9
			d.UsedBytes, d.MemoryBytes = 4<<20, (d.MemoryBytes+round/2)/round*round
		}
		if d.Trouble != "" {
			d = gpu.Device{Index: 1, Trouble: d.Trouble} // the library does not say where it was
		}
		out = append(out, d)
	}
	return out
}
