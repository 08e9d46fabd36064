#!/usr/bin/env bash
# prepare.sh DEST: a real Elasticsearch below DEST/dist, fetched through Maven; a second call finds it there.
#
# The distribution for integration tests is the real server without optional modules. The few pieces that it lacks and
# that starting with security needs come from a small plugin of our own (Extras.java).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dest=$1
stamp="$dest/complete-$(cat "$here/pom.xml" "$here/Extras.java" "$0" | sha256sum | cut -c1-16)"
[ -e "$stamp" ] && exit 0

echo "fetching Elasticsearch for the tests …"
work="$dest.part"
rm -rf "$work" "$dest"
mkdir -p "$work"
mvn -B -ntp -q -f "$here/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack-dependencies \
  -DincludeTypes=zip -DoutputDirectory="$work/zip" -DmarkersDirectory="$work/markers"
mv "$work"/zip/elasticsearch-* "$work/dist"
rm -rf "$work/zip" "$work/markers"

core=$(basename "$work"/dist/lib/elasticsearch-core-*.jar .jar)
plugin="$work/dist/plugins/extras"
mkdir -p "$plugin" "$work/classes"
javac -nowarn -d "$work/classes" -cp "$work/dist/lib/*" "$here/Extras.java"
jar cf "$plugin/extras.jar" -C "$work/classes" .
cat > "$plugin/plugin-descriptor.properties" <<END
description=pieces that the distribution for tests lacks
version=1
name=extras
classname=shipper.extras.Extras
java.version=17
elasticsearch.version=${core#elasticsearch-core-}
END
# Paths below the distribution, which is read-only for the server.
sed -i -e '/Xlog:gc/d' -e '/HeapDump/d' -e '/ErrorFile/d' "$work/dist/config/jvm.options"
chmod +x "$work"/dist/bin/*
chmod -R a+rX "$work"
mv "$work" "$dest"
touch "$stamp"
