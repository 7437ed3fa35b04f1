// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package client is the client of Canopy's API, generated from its OpenAPI document api/openapi.json. It runs in the canopy
// command and in whatever else uses the API; it sends requests to the server that it is given, and keeps nothing.
package client
