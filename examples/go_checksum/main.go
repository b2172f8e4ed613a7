// A function in Go: any executable that reads JSON on stdin and writes JSON to stdout is one.
//
//	cd examples/go_checksum && CGO_ENABLED=0 go build -o checksum main.go
//	nanogrid deploy checksum
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

type event struct {
	Texts []string `json:"texts"`
}

func main() {
	var in event
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		// stderr is the run's log, an exit code other than 0 its failure.
		fmt.Fprintln(os.Stderr, "the event cannot be read:", err)
		os.Exit(1)
	}
	sums := make([]string, len(in.Texts))
	var all sync.WaitGroup
	for i, text := range in.Texts {
		all.Add(1)
		go func() {
			defer all.Done()
			sums[i] = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		}()
	}
	all.Wait()
	fmt.Fprintf(os.Stderr, "%d texts in run %s\n", len(sums), os.Getenv("NANOGRID_RUN_ID"))
	json.NewEncoder(os.Stdout).Encode(map[string]any{"sha256": sums})
}
