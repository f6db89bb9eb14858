//go:build tools

// Package tools pins the binary that the lab builds from this module.
package tools

import _ "github.com/hashicorp/consul"
