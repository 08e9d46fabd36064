#!/usr/bin/env bash
# prepare.sh DEST: a real OpenSearch below DEST/dist, fetched through Maven; a second call finds it there.
#
# The distribution for integration tests is the real server without optional modules. Those for ingest pipelines and for
# scripts, which the former need, are published beside it; a descriptor makes modules of them again.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dest=$1
stamp="$dest/complete-$(cat "$here/pom.xml" "$0" | sha256sum | cut -c1-16)"
[ -e "$stamp" ] && exit 0

echo "fetching OpenSearch for the tests …"
work="$dest.part"
rm -rf "$work" "$dest"
mkdir -p "$work"
mvn -B -ntp -q -f "$here/pom.xml" -Dwork="$(realpath "$work")" \
  dependency:unpack-dependencies@server dependency:copy-dependencies@modules
mv "$work"/zip/opensearch-* "$work/dist"

core=$(basename "$work"/dist/lib/opensearch-core-*.jar .jar)
version=${core#opensearch-core-}
module() { # module NAME CLASS EXTENDED JAR...
  local name=$1 class=$2 extended=$3 into="$work/dist/modules/$1"
  shift 3
  mkdir -p "$into"
  for jar in "$@"; do
    cp "$work/jars/$jar"-[0-9]*.jar "$into/"
  done
  cat > "$into/plugin-descriptor.properties" <<END
description=$name
version=$version
name=$name
classname=$class
java.version=11
opensearch.version=$version
extended.plugins=$extended
has.native.controller=false
END
}
module lang-painless org.opensearch.painless.PainlessPlugin "" \
  lang-painless opensearch-scripting-painless-spi antlr4-runtime asm asm-analysis asm-commons asm-tree asm-util
cat > "$work/dist/modules/lang-painless/plugin-security.policy" <<END
grant {
  permission java.lang.RuntimePermission "createClassLoader";
  permission java.lang.RuntimePermission "getClassLoader";
};
END
module ingest-common org.opensearch.ingest.common.IngestCommonPlugin lang-painless \
  ingest-common opensearch-grok opensearch-dissect joni jcodings
rm -rf "$work/zip" "$work/markers" "$work/jars"
# Paths below the distribution, which is read-only for the server.
sed -i -e '/Xlog:gc/d' -e '/HeapDump/d' -e '/ErrorFile/d' "$work/dist/config/jvm.options"
chmod +x "$work"/dist/bin/*
chmod -R a+rX "$work"
mv "$work" "$dest"
touch "$stamp"
