package clips

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

const (
	width, height = 640, 360
	sceneSeconds  = 5
	rate          = 30 // frames per second before any are dropped
)

// Clip is one demo video.
type Clip struct {
	Name   string // file name
	Scenes []Scene
	silent bool
}

// Scene is one shot, five seconds long.
type Scene struct {
	Text   string // the text card
	every  int    // keep every n-th of 30 frames per second; 0 = all
	colors [2]string
	tone   int // Hz
	shapes []shape
}

// shape is a filled box; x and y are its path as ffmpeg expressions of t, the
// seconds since the scene began, within a frame of W by H.
type shape struct {
	color string
	w, h  int
	x, y  string
}

// StartMS is when scene i of a clip begins.
func (c Clip) StartMS(i int) int64 { return int64(i) * sceneSeconds * 1000 }

// EndMS is when scene i of a clip ends.
func (c Clip) EndMS(i int) int64 { return c.StartMS(i + 1) }

// Scripts are the three demo clips: a tour with hard cuts, a launch with moving
// shapes and changing tones, and traffic with a variable frame rate and no sound.
func Scripts() []Clip {
	return []Clip{
		{Name: "city-tour.mp4", Scenes: []Scene{
			{Text: "WELCOME TO BANGKOK", colors: [2]string{"0x803090", "0xf0a030"}, tone: 330},
			{Text: "FLOATING MARKET 09:30", colors: [2]string{"0x107040", "0x40c0d0"}, tone: 330},
			{Text: "GRAND PALACE", colors: [2]string{"0xd0a020", "0xa02020"}, tone: 330},
		}},
		{Name: "launch-day.mp4", Scenes: []Scene{
			{
				Text: "COUNTDOWN TEN", colors: [2]string{"0x101830", "0x304878"}, tone: 220,
				shapes: []shape{{"0xe0e0e0", 28, 90, "(W-w)/2", "H-h-10"}},
			},
			{
				Text: "ROCKET LAUNCH", colors: [2]string{"0xe06010", "0x602010"}, tone: 440,
				shapes: []shape{{"0xe0e0e0", 28, 90, "40", "H-h-10-t*60"}, {"0xffe040", 28, 40, "40", "H-10-t*60"}},
			},
			{
				Text: "STAGE SEPARATION", colors: [2]string{"0x205090", "0x081020"}, tone: 660,
				shapes: []shape{{"0xe0e0e0", 28, 60, "W-36", "H/3-t*20"}, {"0xa0a0a0", 28, 60, "W-36", "H/2+t*20"}},
			},
			{
				Text: "ORBIT REACHED", colors: [2]string{"0x000010", "0x202060"}, tone: 880,
				shapes: []shape{{"0xf0f0ff", 16, 16, "W/2+W*0.4*cos(t)", "H/2+H*0.4*sin(t)"}},
			},
		}},
		{Name: "traffic-vfr.mp4", silent: true, Scenes: []Scene{
			{
				Text: "RED TRUCK LEFT", every: 6, colors: [2]string{"0x808890", "0x505860"},
				shapes: []shape{{"0xe01010", 160, 70, "W-t*120", "H-h-20"}},
			},
			{
				Text: "SPEED LIMIT 60", colors: [2]string{"0x70a0d0", "0x406030"},
				shapes: []shape{{"0x2040d0", 100, 50, "mod(t*260,W)", "H-h-20"}, {"0xf0d020", 90, 45, "W-mod(t*180,W)", "20"}},
			},
			{
				Text: "GREEN LIGHT", every: 6, colors: [2]string{"0x304030", "0x103010"},
				shapes: []shape{{"0x20e040", 50, 50, "W-w-40", "30+t*4"}},
			},
		}},
	}
}

// Demo writes the demo clips to dir, keeping those that are there already, and
// returns their paths. It needs ffmpeg with drawtext and the DejaVu font.
func Demo(ctx context.Context, ffmpeg, dir string) ([]string, error) {
	dir, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, clip := range Scripts() {
		path := filepath.Join(dir, clip.Name)
		if !exists(path) {
			if err := clip.make(ctx, ffmpeg, path); err != nil {
				return nil, err
			}
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (c Clip) make(ctx context.Context, ffmpeg, path string) error {
	face, err := font()
	if err != nil {
		return err
	}
	// ffmpeg reads texts and font from files with plain names in a temporary folder, so no
	// text or path has to be quoted for the filter language.
	dir, err := os.MkdirTemp("", "cogflow-clip-")
	if err != nil {
		return fault.Disk("make clip", path, err)
	}
	defer os.RemoveAll(dir)
	if err := os.Symlink(face, filepath.Join(dir, "font.ttf")); err != nil {
		return fault.Disk("make clip", path, err)
	}
	for i, scene := range c.Scenes {
		if err := os.WriteFile(filepath.Join(dir, cardName(i)), []byte(scene.Text), 0o600); err != nil {
			return fault.Disk("make clip", path, err)
		}
	}
	args := []string{"-filter_complex", c.graph(), "-map", "[v]", "-preset", "veryfast", "-g", "60"}
	if !c.silent {
		args = append(args, "-map", "[a]", "-c:a", "aac", "-b:a", "64k")
	}
	return encode(ctx, ffmpeg, dir, path, args...)
}

func cardName(scene int) string { return fmt.Sprintf("card%d.txt", scene) }

// graph returns the clip in ffmpeg's filter language: each scene, then all scenes joined
// by hard cuts. A variable frame rate is made by dropping frames, because the encoder
// cannot handle joined scenes with different nominal rates.
func (c Clip) graph() string {
	var b strings.Builder
	var joined strings.Builder
	for i, scene := range c.Scenes {
		fmt.Fprintf(&b, "gradients=s=%dx%d:r=%d:d=%d:c0=%s:c1=%s:seed=%d:speed=0.02[s%d_0];",
			width, height, rate, sceneSeconds, scene.colors[0], scene.colors[1], i+1, i)
		for j, box := range scene.shapes {
			fmt.Fprintf(&b, "color=%s:s=%dx%d:r=%d:d=%d[b%d_%d];", box.color, box.w, box.h, rate, sceneSeconds, i, j)
			fmt.Fprintf(&b, "[s%d_%d][b%d_%d]overlay=x='%s':y='%s'[s%d_%d];", i, j, i, j, box.x, box.y, i, j+1)
		}
		fmt.Fprintf(&b, "[s%d_%d]drawtext=fontfile=font.ttf:textfile=%s:fontcolor=white:fontsize=40:"+
			"box=1:boxcolor=black@0.85:boxborderw=18:x=(w-text_w)/2:y=(h-text_h)/2,select='not(mod(n,%d))',format=yuv420p[v%d];",
			i, len(scene.shapes), cardName(i), max(1, scene.every), i)
		fmt.Fprintf(&joined, "[v%d]", i)
		if !c.silent {
			fmt.Fprintf(&b, "sine=frequency=%d:duration=%d[a%d];", scene.tone, sceneSeconds, i)
			fmt.Fprintf(&joined, "[a%d]", i)
		}
	}
	if c.silent {
		fmt.Fprintf(&joined, "concat=n=%d:v=1:a=0[v]", len(c.Scenes))
	} else {
		fmt.Fprintf(&joined, "concat=n=%d:v=1:a=1[v][a]", len(c.Scenes))
	}
	return b.String() + joined.String()
}
