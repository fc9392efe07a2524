module clipreader

go 1.21
