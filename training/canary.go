package training

import (
	"crypto/sha1" // distributes keys; not used for security
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Canary is a version that a share of all keys gets instead of the active one.
type Canary struct {
	Activation
	Share int `json:"share"` // percent of the keys, 1 to 100
}

// Takes reports whether a key (of a request, session or user) gets the canary. The same key
// always does, and still does when the share grows. It is the rule of Cogniverse's agents:
// the first 32 bits of SHA-1, modulo 100, below the share.
func (c *Canary) Takes(key string) bool {
	if c == nil {
		return false
	}
	sum := sha1.Sum([]byte(key))
	return int(binary.BigEndian.Uint32(sum[:4])%100) < c.Share
}

// CheckShare refuses an invalid share of a canary.
func CheckShare(share int) error {
	if share < 1 || share > 100 {
		return fault.New(fault.Input, "read share", fmt.Sprint(share), "must be a percentage from 1 to 100; 0 ends the canary")
	}
	return nil
}

// StartCanary gives a share of the keys a version, in place of another canary. The same
// version again changes the share.
func (r *Role) StartCanary(name string, version, share int, now time.Time) error {
	bad := func(reason string) error {
		return fault.New(fault.Input, "start canary", fmt.Sprintf("%s@%d", name, version), reason)
	}
	switch err := CheckShare(share); {
	case err != nil:
		return err
	case r.Active == nil:
		return bad("no version is active that the other keys could get; promote one first")
	case r.Active.Name == name && r.Active.Version == version:
		return bad("it is the active version, which every key gets")
	}
	if c := r.Canary; c != nil && c.Name == name && c.Version == version {
		now = c.Since
	}
	r.Canary = &Canary{Activation: Activation{Name: name, Version: version, Since: now}, Share: share}
	return nil
}
