// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Command openapi writes the OpenAPI document of the API to the file that it is given. It runs while files are generated and
// reads the routes and the kinds that are in its own binary.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"canopy.dev/canopy/internal/apiserver"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "writing the OpenAPI document:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one file, got %d", len(args))
	}
	document, err := apiserver.Document("v1alpha1")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, document, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	return os.WriteFile(args[0], out.Bytes(), 0o644)
}
