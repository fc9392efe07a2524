// Command go-reference reads a JSON array of strings from stdin and writes a JSON array of what distribution/reference
// makes of each: the whole name with its defaults, or null where it refuses.
package main

import (
	// Without them Go knows no digest of these algorithms.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"log"
	"os"

	"github.com/distribution/reference"
)

func normalized(text string) *string {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return nil
	}
	name := reference.TagNameOnly(named).String()
	return &name
}

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		log.Fatal(err)
	}
	names := make([]*string, len(texts))
	for i, text := range texts {
		names[i] = normalized(text)
	}
	if err := json.NewEncoder(os.Stdout).Encode(names); err != nil {
		log.Fatal(err)
	}
}
