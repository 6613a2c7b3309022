package com.yahoo.search.handler;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Vespa's parser of a JSON body of /search/; its class is package-private. */
public final class SearchBody {

    private SearchBody() { }

    public static Map<String, String> parameters(String body) {
        return new Json2SingleLevelMap(new ByteArrayInputStream(body.getBytes(StandardCharsets.UTF_8))).parse();
    }
}
