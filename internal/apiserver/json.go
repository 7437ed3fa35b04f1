// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
	kjson "sigs.k8s.io/json"
)

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
	// mostDepth is how many levels a body may have.
	mostDepth = 64
	// mostBytes is how large a body may be.
	mostBytes = 1 << 20
)

// formats is JSON, as it is written and as strictly as it is read.
func formats() map[string]huma.Format {
	format := huma.Format{
		Marshal: func(w io.Writer, v any) error {
			encoder := json.NewEncoder(w)
			encoder.SetEscapeHTML(false)
			return encoder.Encode(v)
		},
		Unmarshal: unmarshal,
	}
	return map[string]huma.Format{jsonType: format, "json": format}
}

// unmarshal reads one JSON value. Nothing may be in it twice, and it may not be too deep.
func unmarshal(data []byte, v any) error {
	if depth(data) > mostDepth {
		return fmt.Errorf("it has more than %d levels", mostDepth)
	}
	twice, err := kjson.UnmarshalStrict(data, v, kjson.DisallowDuplicateFields)
	return errors.Join(append(twice, err)...)
}

// depth returns how many levels a JSON text has, whatever else is wrong with it.
func depth(data []byte) (most int) {
	level, text, escaped := 0, false, false
	for _, b := range data {
		switch {
		case escaped:
			escaped = false
		case text && b == '\\':
			escaped = true
		case b == '"':
			text = !text
		case text:
		case b == '{', b == '[':
			level++
			most = max(most, level)
		case b == '}', b == ']':
			level--
		}
	}
	return most
}

// jsonLine encodes v in one line, without its end.
func jsonLine(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimRight(out.Bytes(), "\n"), err
}
