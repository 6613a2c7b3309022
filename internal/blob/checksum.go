package blob

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/object"
)

// attribute holds "<sha256> <size>". The size is included because an unsynced object is
// nearly always too short after a power failure.
const attribute = "user.cogflow.sha256"

// errLost is object.ErrCorrupt for an object that may be whole.
var errLost = fmt.Errorf("%w: its checksum is missing, as after a copy without extended attributes or metadata; run cogflow store check --repair", object.ErrCorrupt)

type checksum struct {
	sha256 string // lower-case hexadecimal
	size   int64  // bytes
}

func (c checksum) store(f *os.File) error {
	value := c.sha256 + " " + strconv.FormatInt(c.size, 10)
	return os.NewSyscallError("fsetxattr", unix.Fsetxattr(int(f.Fd()), attribute, []byte(value), 0))
}

// loadChecksum returns object.ErrCorrupt when there is none, as after a copy with a tool
// that drops extended attributes.
func loadChecksum(f *os.File) (checksum, error) {
	var buf [128]byte
	n, err := unix.Fgetxattr(int(f.Fd()), attribute, buf[:])
	switch {
	case errors.Is(err, errNoAttribute):
		return checksum{}, errLost
	case errors.Is(err, unix.ERANGE):
		return checksum{}, object.ErrCorrupt
	case err != nil:
		return checksum{}, os.NewSyscallError("fgetxattr", err)
	}
	sum, size, found := strings.Cut(string(buf[:n]), " ")
	raw, err := hex.DecodeString(sum)
	if !found || err != nil || len(raw) != 32 {
		return checksum{}, object.ErrCorrupt
	}
	c := checksum{sha256: sum}
	if c.size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return checksum{}, object.ErrCorrupt
	}
	return c, nil
}
