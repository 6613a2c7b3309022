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

// Filters is what brings pictures to their size and colours. Between the two, pictures of
// another shape get their black bars.
type Filters struct {
	Scale   string
	Convert string
}

// Choose returns the filters of a stream. size is the arguments of scale. missing lists the
// filters of Needs that ffmpeg lacks. The errors are reasons for people.
func Choose(s tracks.Stream, size string, missing []string) (Filters, error) {
	for _, side := range s.SideData {
		if side.DolbyProfile > 0 && side.DolbyBase == 0 {
			return Filters{}, errDolby
		}
	}
	if name := highRange(s.Transfer); name != "" {
		if len(missing) > 0 {
			return Filters{}, fmt.Errorf("its pictures have a high dynamic range (%s), and this ffmpeg lacks the filter %s; "+
				"install an ffmpeg with libzimg on the worker", name, strings.Join(missing, " and "))
		}
		return Filters{Scale: toneMapped(s, size), Convert: "null"}, nil
	}
	matrix, err := matrixOf(s)
	if err != nil {
		return Filters{}, err
	}
	if strings.HasPrefix(s.Pixels, "yuv") && matrix != "" {
		return planar(size, matrix, s.Range == "pc" || strings.HasPrefix(s.Pixels, "yuvj")), nil
	}
	scale := "scale=" + size + ":out_color_matrix=bt601:out_range=pc"
	if matrix != "" {
		scale += ":in_color_matrix=" + matrix
	}
	if s.Range == "tv" || s.Range == "pc" {
		scale += ":in_range=" + s.Range
	}
	return Filters{Scale: scale + ",format=yuvj420p", Convert: "null"}, nil
}

// planar converts with the filter colorspace, which takes a twentieth of the time that scale
// takes for it. It needs planes of YUV, all of one size, so scale and the bars come before it.
func planar(size, matrix string, full bool) Filters {
	limits, pixels := "tv", "yuv420p"
	if full {
		limits, pixels = "pc", "yuvj420p"
	}
	switch matrix {
	case "bt470":
		matrix = "bt470bg"
	case "bt2020":
		matrix = "bt2020nc"
	}
	return Filters{
		Scale: "scale=" + size + ":in_range=" + limits + ":out_range=" + limits + ",format=" + pixels,
		Convert: "colorspace=ispace=" + matrix + ":space=smpte170m:irange=" + limits + ":range=pc" +
			":iprimaries=bt709:primaries=bt709:itrc=bt709:trc=bt709:fast=1,format=yuvj420p",
	}
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
