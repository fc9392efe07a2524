// Compresses stdin as the flags say, or (with -read) says what compress/gzip makes of it: "ok <bytes> <crc>" or "error".
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

func main() {
	level := flag.Int("level", -1, "")
	flush := flag.Int("flush", 0, "flush after so many bytes")
	read := flag.Bool("read", false, "")
	flag.Parse()
	if *read {
		say(judge(os.Stdin))
		return
	}
	content, err := io.ReadAll(os.Stdin)
	must(err)
	writer, err := gzip.NewWriterLevel(os.Stdout, *level)
	must(err)
	for len(content) > 0 {
		step := len(content)
		if *flush > 0 && *flush < step {
			step = *flush
		}
		_, err = writer.Write(content[:step])
		must(err)
		if *flush > 0 {
			must(writer.Flush())
		}
		content = content[step:]
	}
	must(writer.Close())
}

// Each stream on stdin has its length before it, 4 bytes little-endian.
func judge(in io.Reader) []string {
	var verdicts []string
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return verdicts
		}
		stream := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16|int(head[3])<<24)
		_, err := io.ReadFull(in, stream)
		must(err)
		verdicts = append(verdicts, verdict(stream))
	}
}

func verdict(stream []byte) string {
	reader, err := gzip.NewReader(bytes.NewReader(stream))
	if err != nil {
		return "error"
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		return "error"
	}
	return fmt.Sprintf("ok %d %d", len(content), crc32.ChecksumIEEE(content))
}

func say(lines []string) {
	for _, line := range lines {
		fmt.Println(line)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
