package video_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func TestGPUClass(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"A10G": "a10g", "A10": "a10g", "a10g": "a10g", "A100": "a100-40gb", "A100-40GB": "a100-40gb", "A100-80GB": "a100-80gb",
		"H100!": "h100", "H200": "h200", "L40S": "l40s", "T4": "t4", "CPU": "cpu", "b200": "b200",
		"": "", "!": "", "H100!!": "", "a10 ": "", "RTX 4090": "",
	} {
		require.Equal(t, want, video.GPUClass(name), name)
	}
	for _, class := range video.GPUClasses() {
		require.Equal(t, class, video.GPUClass(class))
	}
	require.Equal(t, []string{"a10g", "RTX"}, video.GPUNames([]string{"A10", "RTX"}))
	require.Nil(t, video.GPUNames(nil))
}
