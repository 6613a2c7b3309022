package clips

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cogniverse/cogflow/fault"
)

// Tiny writes one video of n frames of 64×36 pixels, one per second, and returns its
// path. All frames differ, so sampling at one frame per second keeps all of them, and
// no caption is reused. 10,000 frames take seconds.
func Tiny(ctx context.Context, ffmpeg, dir string, n int) (string, error) {
	return tiny(ctx, ffmpeg, dir, fmt.Sprintf("tiny-%d.mp4", n), n, 7)
}

// Seeded is Tiny with other frames for each seed.
func Seeded(ctx context.Context, ffmpeg, dir string, n, seed int) (string, error) {
	return tiny(ctx, ffmpeg, dir, fmt.Sprintf("tiny-%d-%d.mp4", n, seed), n, seed)
}

func tiny(ctx context.Context, ffmpeg, dir, name string, n, seed int) (string, error) {
	dir, err := prepare(dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if exists(path) {
		return path, nil
	}
	return path, noise(ctx, ffmpeg, dir, path, n, seed)
}

// noise draws random blocks of a seed, coarse enough to survive compression and to change
// the perceptual hash of each frame.
func noise(ctx context.Context, ffmpeg, dir, path string, n, seed int) error {
	return encode(ctx, ffmpeg, dir, path,
		"-f", "lavfi", "-i", fmt.Sprintf("color=gray:s=16x9:r=1,noise=alls=100:allf=t+u:all_seed=%d,scale=64:36:flags=neighbor", seed),
		"-frames:v", fmt.Sprint(n), "-preset", "ultrafast", "-g", "50")
}

// Library writes n videos of two frames each and returns their paths. Their
// contents have different SHA-256 but equal frames, so the captions of the first
// video are reused for all others.
func Library(ctx context.Context, ffmpeg, dir string, n int) ([]string, error) {
	dir, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "cogflow-clip-")
	if err != nil {
		return nil, fault.Disk("make clips", dir, err)
	}
	defer os.RemoveAll(work)
	base := filepath.Join(work, "base.mp4")
	if err := noise(ctx, ffmpeg, work, base, 2, 7); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(base)
	if err != nil {
		return nil, fault.Disk("make clips", base, err)
	}
	paths := make([]string, n)
	for i := range paths {
		paths[i] = filepath.Join(dir, fmt.Sprintf("video-%05d.mp4", i))
		if err := os.WriteFile(paths[i], number(content, i), 0o600); err != nil {
			return nil, fault.Disk("make clips", paths[i], err)
		}
	}
	return paths, nil
}

// number appends a box that players skip, with i as its content, to an MP4.
func number(mp4 []byte, i int) []byte {
	const size = 16 // length, type, number
	box := binary.BigEndian.AppendUint32(nil, size)
	box = append(box, "free"...)
	box = binary.BigEndian.AppendUint64(box, uint64(i))
	return slices.Concat(mp4, box)
}
