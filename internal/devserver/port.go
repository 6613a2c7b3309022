package devserver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// choosePorts fills in free ports and refuses taken ones.
func (o *Options) choosePorts(ctx context.Context) error {
	if err := choose(ctx, &o.Port, "frontend"); err != nil {
		return err
	}
	if o.Headless {
		return nil
	}
	return choose(ctx, &o.UIPort, "Web UI")
}

func choose(ctx context.Context, port *int, what string) error {
	address := net.JoinHostPort(loopback, strconv.Itoa(*port))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return taken(ctx, *port, what, err)
	}
	*port = listener.Addr().(*net.TCPAddr).Port // a TCP listener has no other kind
	return fault.Wrap(fault.Transport, "try port", address, listener.Close())
}

// taken says which process has a port and what to do.
func taken(ctx context.Context, port int, what string, cause error) error {
	address := net.JoinHostPort(loopback, strconv.Itoa(port))
	who := holder(port)
	if who == "" {
		who = "another program"
	}
	reason := fmt.Sprintf("the port of the %s is taken by %s", what, who)
	if temporalAnswers(ctx, address) {
		reason += fmt.Sprintf(", a Temporal server: set TEMPORAL_ADDRESS=%s to use it,", address)
	} else {
		reason += ": stop it"
	}
	return &fault.Error{
		Class: fault.Input, Op: "start Temporal server", Subject: address, Err: cause,
		Reason: reason + " or choose other ports: COGFLOW_PORT=7333 COGFLOW_UI_PORT=8333 make up",
	}
}

// temporalAnswers reports whether a Temporal frontend serves at address.
func temporalAnswers(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := dial(address)
	if err != nil {
		return false
	}
	defer c.Close()
	_, err = describeDefault(ctx, c)
	return err == nil
}
