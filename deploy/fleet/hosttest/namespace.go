//go:build linux

package hosttest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace, which exists as long as the file is open.
type namespace struct{ file *os.File }

// newNamespace makes a namespace. A namespace belongs to a thread, so one thread enters it and
// then ends.
func newNamespace() (n namespace, err error) {
	err = onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return n, err
}

// enter moves the calling thread, which must be locked, into the namespace.
func (n namespace) enter() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	return nil
}

// within calls f in the namespace. Sockets that f opens stay in it.
func (n namespace) within(f func() error) error {
	return onOwnThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

// onOwnThread calls f on a thread that ends with it: a locked goroutine takes its thread with it.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

const (
	tunDevice = "/dev/net/tun"
	linkName  = "eth0"
	jumbo     = 9000 // bytes of a packet: fewer packets, as in a data centre
)

// connect gives the namespace its loopback and a link with an address. What the namespace sends
// on the link is read from the file, and the other way round.
func (n namespace) connect(address netip.Prefix) (link *os.File, err error) {
	err = n.within(func() error {
		fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", tunDevice, err)
		}
		request, err := unix.NewIfreq(linkName)
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return fmt.Errorf("make a link: %w", errors.Join(err, unix.Close(fd)))
		}
		link = os.NewFile(uintptr(fd), linkName) // now: before, nothing would wake its readers
		mask := netip.AddrFrom4([4]byte{255, 255, 255, 0})
		return configure([]setting{
			{"lo", unix.SIOCSIFFLAGS, unix.IFF_UP | unix.IFF_RUNNING, nil},
			{linkName, unix.SIOCSIFADDR, 0, address.Addr().AsSlice()},
			{linkName, unix.SIOCSIFNETMASK, 0, mask.AsSlice()},
			{linkName, unix.SIOCSIFMTU, jumbo, nil},
			{linkName, unix.SIOCSIFFLAGS, unix.IFF_UP | unix.IFF_RUNNING, nil},
		})
	})
	return link, err
}

// setting is one ioctl on an interface, with an address or a number.
type setting struct {
	name    string
	ioctl   uint
	number  uint32
	address []byte
}

func configure(settings []setting) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket) //nolint:errcheck // nothing was written
	for _, s := range settings {
		request, err := unix.NewIfreq(s.name)
		if err != nil {
			return err
		}
		switch {
		case s.address != nil:
			err = request.SetInet4Addr(s.address)
		case s.ioctl == unix.SIOCSIFFLAGS:
			request.SetUint16(uint16(s.number)) //nolint:gosec // a constant
		default:
			request.SetUint32(s.number)
		}
		if err == nil {
			err = unix.IoctlIfreq(socket, s.ioctl, request)
		}
		if err != nil {
			return fmt.Errorf("configure %s (ioctl %#x): %w", s.name, s.ioctl, err)
		}
	}
	return nil
}
