//go:build !linux

package sandbox

import "errors"

type groups struct{}

type group struct{}

func findGroups() *groups { return nil }

func (*groups) make(Limits) (*group, error) { return nil, errors.ErrUnsupported }

func (*group) members() []string { return nil }

func (*group) exhausted() bool { return false }

func (*group) processLimitHit() bool { return false }

func (*group) remove() {}

func usageOf(int) (usage, error) { return usage{}, errors.ErrUnsupported }

func countsByNamespace() bool { return false }

func filter(bool) ([]byte, error) { return nil, errors.ErrUnsupported }
