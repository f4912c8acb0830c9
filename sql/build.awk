# Joins the parts of the extension's script.  A line "@include FILE" stands for that file beside the part.
#
#	awk -f sql/build.awk sql/[0-9]*.sql > pocket--X.Y.Z.sql

/^@include / {
	file = FILENAME
	sub(/[^\/]*$/, "", file)
	file = file $2
	while ((got = (getline line < file)) > 0)
		print line
	if (got < 0)
	{
		print "cannot read " file > "/dev/stderr"
		exit 1
	}
	close(file)
	next
}

{ print }
