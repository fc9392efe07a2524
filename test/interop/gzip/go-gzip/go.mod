module clipctl/go-gzip

go 1.21
