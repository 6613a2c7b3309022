package cogflow.vespa;

import com.fasterxml.jackson.databind.JsonNode;
import com.yahoo.cloud.config.ClusterListConfig;
import com.yahoo.container.jdisc.RequestHandlerTestDriver;
import com.yahoo.document.Document;
import com.yahoo.document.DocumentId;
import com.yahoo.document.config.DocumentmanagerConfig;
import com.yahoo.document.restapi.resource.DocumentV1;
import com.yahoo.documentapi.DocumentAccessParams;
import com.yahoo.documentapi.SyncParameters;
import com.yahoo.documentapi.local.LocalDocumentAccess;
import com.yahoo.jdisc.http.HttpRequest.Method;
import com.yahoo.vespa.config.content.AllClustersBucketSpacesConfig;
import com.yahoo.vespa.model.VespaModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * Documents behind Vespa's /document/v1, kept in memory, with the document
 * types and clusters that Vespa derives from an application package.
 */
final class Documents {

    /** The status, the header that reports dropped fields, and the body. */
    record Answer(int status, boolean ignoredFields, JsonNode body) { }

    private final LocalDocumentAccess access;
    private final RequestHandlerTestDriver driver;

    Documents(VespaModel model) {
        var types = model.getConfig(DocumentmanagerConfig.class, "client");
        access = new LocalDocumentAccess(new DocumentAccessParams().setDocumentmanagerConfig(types));
        driver = DocumentV1.serve(access, types, model.getConfig(ClusterListConfig.class, "client"),
                model.getConfig(AllClustersBucketSpacesConfig.class, "client"));
    }

    Answer send(String method, String path, String body) throws IOException {
        var reply = driver.sendRequest("http://localhost" + path, Method.valueOf(method),
                ByteBuffer.wrap(body.getBytes(StandardCharsets.UTF_8)));
        String text = reply.readAll();
        var headers = reply.getResponse().headers();
        return new Answer(reply.getStatus(), headers.containsKey("X-Vespa-Ignored-Fields"), Export.JSON.readTree(text));
    }

    Document get(String id) {
        return access.createSyncSession(new SyncParameters.Builder().build()).get(new DocumentId(id));
    }
}
