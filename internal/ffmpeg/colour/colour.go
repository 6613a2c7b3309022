// Package colour says how the pictures of a video become those of JPEG: BT.601 with the full
// range, whatever matrix, range and brightness the video has. It knows filters of ffmpeg, and
// runs no program.
package colour

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
)

// highRange names the transfer functions of high dynamic range; "" = another one.
func highRange(transfer string) string {
	switch transfer {
	case "smpte2084":
		return "PQ"
	case "arib-std-b67":
		return "HLG"
	}
	return ""
}

var errDolby = errors.New("its colours are those of Dolby Vision without a base layer that other players can show (profile 5); " +
	"convert it to HDR10 or SDR first")

// Needs lists the filters that an ffmpeg can lack and that Filters uses for a stream.
func Needs(s tracks.Stream) []string {
	if highRange(s.Transfer) != "" {
		return []string{"zscale", "tonemap"}
	}
	return nil
}

// Filters scales pictures by size, the arguments of scale, and converts their colours. missing
// lists the filters of Needs that ffmpeg lacks. The errors are reasons for people.
func Filters(s tracks.Stream, size string, missing []string) (string, error) {
	for _, side := range s.SideData {
		if side.DolbyProfile > 0 && side.DolbyBase == 0 {
			return "", errDolby
		}
	}
	if name := highRange(s.Transfer); name != "" {
		if len(missing) > 0 {
			return "", fmt.Errorf("its pictures have a high dynamic range (%s), and this ffmpeg lacks the filter %s; "+
				"install an ffmpeg with libzimg on the worker", name, strings.Join(missing, " and "))
		}
		return toneMapped(s, size), nil
	}
	matrix, err := matrixOf(s)
	if err != nil {
		return "", err
	}
	scale := "scale=" + size + ":out_color_matrix=bt601:out_range=pc"
	if matrix != "" {
		scale += ":in_color_matrix=" + matrix
	}
	if s.Range == "tv" || s.Range == "pc" {
		scale += ":in_range=" + s.Range
	}
	return scale + ",format=yuvj420p", nil
}

// matrixOf is the matrix of a stream, for scale. A stream that does not say has that of its
// size, as players assume. "" = the pictures are RGB.
func matrixOf(s tracks.Stream) (string, error) {
	switch s.Space {
	case "gbr":
		return "", nil
	case "bt709", "smpte170m", "fcc", "smpte240m":
		return s.Space, nil
	case "bt470bg":
		return "bt470", nil
	case "bt2020nc", "bt2020_ncl":
		return "bt2020", nil
	case "", "unknown", "unspecified", "reserved":
		if s.Width >= 1280 || s.Height > 576 {
			return "bt709", nil
		}
		return "smpte170m", nil
	}
	return "", fmt.Errorf("the matrix of its colours, %s, is not supported; convert it to BT.709 first", s.Space)
}

// toneMapped brings high brightness into the range of a screen. White of 203 cd/m² (BT.2408)
// stays bright, and what is brighter is compressed.
func toneMapped(s tracks.Stream, size string) string {
	matrix, limits := "2020_ncl", "tv"
	if m, err := matrixOf(s); err == nil && m == "bt709" && s.Space != "" && s.Space != "unknown" {
		matrix = "709"
	}
	if s.Range == "pc" {
		limits = "pc"
	}
	return "scale=" + size + ":out_range=" + limits + ",format=yuv420p10le" +
		fmt.Sprintf(",zscale=tin=%s:min=%s:pin=2020:rin=%s:t=linear:npl=203,format=gbrpf32le", s.Transfer, matrix, limits) +
		",zscale=p=709,tonemap=tonemap=mobius:param=0.3:desat=2,zscale=t=709:m=170m:r=pc,format=yuvj420p"
}
