package cogflow.vespa;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.TreeSet;

/** Compares the fields of a put with those that Vespa returns. */
final class Fields {

    private Fields() { }

    /** Vespa omits empty strings in its responses. */
    static void assertEqual(JsonNode sent, JsonNode got) {
        TreeSet<String> wanted = names(sent);
        wanted.removeIf(name -> sent.get(name).isTextual() && sent.get(name).textValue().isEmpty());
        assertEquals(wanted, names(got), "names of the fields");
        assertHolds(sent, got, wanted);
    }

    /** got may have more fields than expected. */
    static void assertHolds(JsonNode sent, JsonNode got) {
        assertHolds(sent, got, names(sent));
    }

    private static void assertHolds(JsonNode sent, JsonNode got, TreeSet<String> names) {
        for (Map.Entry<String, JsonNode> field : sent.properties()) {
            if (!names.contains(field.getKey())) continue;
            JsonNode want = field.getValue(), have = got.path(field.getKey());
            if (want.isNumber()) {
                assertEquals(0, want.decimalValue().compareTo(have.decimalValue()), field.getKey() + ": " + want + ", got " + have);
            } else if (want.isObject()) {
                assertTensor(field.getKey(), want, have);
            } else {
                assertEquals(want, have, field.getKey());
            }
        }
    }

    /** Blocks or values. */
    private static void assertTensor(String name, JsonNode want, JsonNode have) {
        assertNotNull(have.get("type"), name);
        if (want.has("values")) {
            assertCells(name, want.get("values"), have.path("values"));
            return;
        }
        assertEquals(names(want.get("blocks")), names(have.get("blocks")), name + ": labels");
        for (Map.Entry<String, JsonNode> block : want.get("blocks").properties()) {
            assertCells(name + " block " + block.getKey(), block.getValue(), have.get("blocks").get(block.getKey()));
        }
    }

    /** Hexadecimal digits, which Vespa writes in upper case, or numbers. */
    private static void assertCells(String name, JsonNode want, JsonNode have) {
        if (want.isTextual()) {
            assertTrue(want.textValue().equalsIgnoreCase(have.asText()), name + ": " + have);
            return;
        }
        assertEquals(want.size(), have.size(), name + ": " + have);
        for (int i = 0; i < want.size(); i++) {
            assertEquals(want.get(i).floatValue(), have.get(i).floatValue(), name + ", cell " + i);
        }
    }

    private static TreeSet<String> names(JsonNode object) {
        TreeSet<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
