package clips

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
)

const fontName = "DejaVuSans-Bold.ttf"

// font finds the font of the text cards in the usual font folders.
func font() (string, error) {
	dirs := []string{"/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts"}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".local/share/fonts"), filepath.Join(home, ".fonts"),
			filepath.Join(home, "Library/Fonts"))
	}
	for _, dir := range dirs {
		var found string
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return fs.SkipDir // absent or unreadable: the font may be elsewhere
			case filepath.Base(path) == fontName:
				found = path
				return fs.SkipAll
			}
			return nil
		})
		if err == nil && found != "" {
			return found, nil
		}
	}
	return "", fault.New(fault.Input, "find font", fontName,
		"not installed: run make tools, or install the DejaVu fonts (Debian: fonts-dejavu-core)")
}
