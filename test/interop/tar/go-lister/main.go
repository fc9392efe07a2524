// Lists tars with Go's own archive/tar, the judge of our scanner. Stdin: tars, each behind its length (4 bytes, big-endian).
// Stdout: for each one line of JSON. Numbers are strings, because an int64 does not fit a JavaScript number.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"os"
	"reflect"
	"strconv"
	"time"
)

type entry struct {
	TypeFlag      int               `json:"typeFlag"`
	Name          string            `json:"name"`
	LinkName      string            `json:"linkName"`
	Size          string            `json:"size"`
	Mode          string            `json:"mode"`
	UID           string            `json:"uid"`
	GID           string            `json:"gid"`
	UserName      string            `json:"userName"`
	GroupName     string            `json:"groupName"`
	Mtime         [2]string         `json:"mtime"`
	Atime         [2]string         `json:"atime"`
	Ctime         [2]string         `json:"ctime"`
	DeviceMajor   string            `json:"deviceMajor"`
	DeviceMinor   string            `json:"deviceMinor"`
	PayloadOffset string            `json:"payloadOffset"`
	StoredBytes   string            `json:"storedBytes"`
	Xattrs        map[string]string `json:"xattrs"`
	Holes         [][2]string       `json:"holes"`
}

type listing struct {
	Entries []entry `json:"entries"`
	Error   string  `json:"error,omitempty"`
}

// countingReader hides the Seeker of bytes.Reader: a decompressed layer can't seek either.
type countingReader struct {
	source io.Reader
	passed int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.source.Read(b)
	c.passed += int64(n)
	return n, err
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		var length uint32
		if err := binary.Read(in, binary.BigEndian, &length); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		content := make([]byte, length)
		if _, err := io.ReadFull(in, content); err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(list(content)); err != nil {
			log.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

func list(content []byte) listing {
	source := &countingReader{source: bytes.NewReader(content)}
	reader := tar.NewReader(source)
	result := listing{Entries: []entry{}}
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return result
		}
		if err != nil {
			result.Error = err.Error()
			return result
		}
		result.Entries = append(result.Entries, describe(reader, header, source.passed))
	}
}

func describe(reader *tar.Reader, header *tar.Header, passed int64) entry {
	stored, holes := payload(reader)
	xattrs := map[string]string{}
	for key, value := range header.Xattrs {
		xattrs[hexOf(key)] = hexOf(value)
	}
	return entry{
		TypeFlag: int(header.Typeflag), Name: hexOf(header.Name), LinkName: hexOf(header.Linkname),
		Size: decimal(header.Size), Mode: decimal(header.Mode), UID: decimal(int64(header.Uid)), GID: decimal(int64(header.Gid)),
		UserName: hexOf(header.Uname), GroupName: hexOf(header.Gname),
		Mtime: timeOf(header.ModTime), Atime: timeOf(header.AccessTime), Ctime: timeOf(header.ChangeTime),
		DeviceMajor: decimal(header.Devmajor), DeviceMinor: decimal(header.Devminor),
		PayloadOffset: decimal(passed), StoredBytes: decimal(stored), Xattrs: xattrs, Holes: holes,
	}
}

// payload looks into the reader's private state: what is stored of the member and, of a sparse one, its holes.
func payload(reader *tar.Reader) (int64, [][2]string) {
	current := reflect.ValueOf(reader).Elem().FieldByName("curr").Elem().Elem()
	if sparse := current.FieldByName("sp"); sparse.IsValid() {
		holes := [][2]string{}
		for i := 0; i < sparse.Len(); i++ {
			holes = append(holes, [2]string{decimal(sparse.Index(i).Field(0).Int()), decimal(sparse.Index(i).Field(1).Int())})
		}
		return current.FieldByName("fr").Elem().Elem().FieldByName("nb").Int(), holes
	}
	return current.FieldByName("nb").Int(), nil
}

func hexOf(s string) string  { return hex.EncodeToString([]byte(s)) }
func decimal(n int64) string { return strconv.FormatInt(n, 10) }
func timeOf(t time.Time) [2]string {
	return [2]string{decimal(t.Unix()), decimal(int64(t.Nanosecond()))}
}
