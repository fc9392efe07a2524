module clipctl.test/tar-lister

go 1.22
