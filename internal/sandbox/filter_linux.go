package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A child may use every system call that ordinary programs use, so that any build of ffmpeg
// or Python works. Calls that administer the machine, inspect other processes, make
// namespaces, or have a long record of kernel vulnerabilities are forbidden.

// forbidden are never allowed.
var forbidden = []string{ //nolint:gochecknoglobals // a constant table
	// other processes
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "perf_event_open",
	// parts of the kernel with a long record of vulnerabilities
	"bpf", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
	"fanotify_init", "lookup_dcookie", "vmsplice", "modify_ldt", "uselib", "personality", "syslog", "nfsservctl",
	// namespaces and file systems
	"unshare", "setns", "mount", "umount2", "umount", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
	"open_tree", "move_mount", "mount_setattr", "name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd",
	"swapon", "swapoff", "mknod", "mknodat",
	// the machine
	"init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "reboot", "acct",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
}

// absent calls fail with ENOSYS, as on an older kernel: a library then uses an older call, whose
// arguments the filter can inspect.
var absent = []string{"clone3"} //nolint:gochecknoglobals // a constant table

// altering calls change a file or its metadata without opening it for writing.
var altering = []string{ //nolint:gochecknoglobals // a constant table
	"creat", "truncate", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
	"utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr",
	"fremovexattr", "removexattrat", "file_setattr", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rename", "renameat", "renameat2",
	"mkdir", "mkdirat", "rmdir", "ioctl",
}

// namespaces are the clone flags that make a namespace.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// writing are the open flags that can change a file.
const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC

// filter compiles the system call filter of a child in bubblewrap's format. With readOnly,
// the child cannot open a file for writing or change it otherwise, neither by name nor by
// a descriptor that it was given.
func filter(readOnly bool) ([]byte, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("no system call filter for this processor: %w", err)
	}
	if len(info.SyscallNames) == 0 {
		return nil, errors.New("no system call filter for this processor: " + info.Name)
	}
	refused, missing := slices.Clone(forbidden), slices.Clone(absent)
	conditional := []seccomp.NameWithConditions{
		{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: namespaces}}},
		{Name: "socket", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.NotEqual, Value: unix.AF_UNIX}}},
	}
	if readOnly {
		refused, missing = append(refused, altering...), append(missing, "openat2")
		for name, flags := range map[string]uint32{"open": 1, "openat": 2} {
			conditional = append(conditional, seccomp.NameWithConditions{
				Name: name, Conditions: seccomp.ArgumentConditions{{Argument: flags, Operation: seccomp.BitsSet, Value: writing}},
			})
		}
	}
	unknown := func(name string) bool { _, known := info.SyscallNames[name]; return !known }
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: slices.DeleteFunc(missing, unknown)},
		{
			Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM), Names: slices.DeleteFunc(refused, unknown),
			NamesWithCondtions: slices.DeleteFunc(conditional, func(c seccomp.NameWithConditions) bool { return unknown(c.Name) }),
		},
	}}
	program, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("compile the system call filter: %w", err)
	}
	// The library allows all calls of other architectures, by which a program could
	// bypass the filter.
	const archOffset = 4
	program = append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(seccomp.ActionKillProcess)},
	}, program...)
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("assemble the system call filter: %w", err)
	}
	var out bytes.Buffer
	for _, i := range raw { // struct sock_filter
		_ = binary.Write(&out, binary.NativeEndian, i) // to a buffer, of fields of fixed size
	}
	return out.Bytes(), nil
}
