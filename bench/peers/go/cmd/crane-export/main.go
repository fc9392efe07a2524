// Command crane-export flattens an image as `crane export` does and drops the tar.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/google/go-containerregistry/pkg/crane"
)

type counter struct{ bytes int64 }

func (c *counter) Write(view []byte) (int, error) {
	c.bytes += int64(len(view))
	return len(view), nil
}

func main() {
	image, err := crane.Pull(os.Args[1], crane.Insecure)
	if err != nil {
		log.Fatal(err)
	}
	exported := &counter{}
	if err := crane.Export(image, io.Writer(exported)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"outputBytes\":%d}\n", exported.bytes)
}
