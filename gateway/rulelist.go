// Copyright 2026 The coaps Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strconv"

	"github.com/coaps-go/coaps/security/acl"
)

// ConfigRules are the access rules of the configuration alone, in the order in
// which they count: before those of the store. One without a name of its own is
// called config-1 and so on, by its place in the file.
func (c *Config) ConfigRules() []acl.Rule {
	rules := make([]acl.Rule, 0, len(c.ACL.Rules)+2)
	for i, rule := range c.ACL.Rules {
		if rule.ID == "" {
			rule.ID = "config-" + strconv.Itoa(i+1)
		}
		rules = append(rules, rule)
	}
	return append(rules, c.authorizeRules()...)
}

// authorizeRules let whoever has shown no key ask for what a token gives him.
func (c *Config) authorizeRules() (rules []acl.Rule) {
	path := c.Resources.Authorize.Path
	if path == "" {
		return nil
	}
	for _, mode := range []acl.Mode{acl.RPK, acl.Certificate} {
		rules = append(rules, acl.Rule{ID: "authorize-" + mode.String(), Who: acl.Who{Mode: mode, Anonymous: true}, Methods: acl.POST, Path: path})
	}
	return rules
}

// compile makes the list of all rules in force; nil where everything is allowed.
func (c *Config) compile(stored []acl.Rule) (*acl.List, error) {
	if c.ACL.Open {
		return nil, nil
	}
	list, err := acl.Compile(append(c.ConfigRules(), stored...))
	if err != nil {
		return nil, fmt.Errorf("access rules: %w", err)
	}
	return list, nil
}
