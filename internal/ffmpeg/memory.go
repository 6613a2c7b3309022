package ffmpeg

import (
	"os"
	"sync"
)

// memory keeps what was probed last: extraction follows the probe, and starting
// ffprobe again takes longer than decoding the key frames of a short clip.
type memory struct {
	mu     sync.Mutex
	probes [32]struct {
		file  os.FileInfo
		probe probed
	}
	next int
}

func (m *memory) add(file *os.File, probe probed) {
	info, err := file.Stat()
	if err != nil {
		return // it will be probed again
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probes[m.next].file, m.probes[m.next].probe = info, probe
	m.next = (m.next + 1) % len(m.probes)
}

// get finds the same unchanged file.
func (m *memory) get(file *os.File) (probed, bool) {
	info, err := file.Stat()
	if err != nil {
		return probed{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.probes {
		if p.file != nil && os.SameFile(p.file, info) && p.file.Size() == info.Size() && p.file.ModTime().Equal(info.ModTime()) {
			return p.probe, true
		}
	}
	return probed{}, false
}
