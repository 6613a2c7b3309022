package cogflow.vespa;

import com.yahoo.container.QrSearchersConfig;
import com.yahoo.container.jdisc.HttpRequest;
import com.yahoo.jdisc.http.HttpRequest.Method;
import com.yahoo.language.simple.SimpleLinguistics;
import com.yahoo.prelude.IndexFacts;
import com.yahoo.prelude.IndexModel;
import com.yahoo.search.Query;
import com.yahoo.search.Result;
import com.yahoo.search.config.IndexInfoConfig;
import com.yahoo.search.config.SchemaInfoConfig;
import com.yahoo.search.handler.SearchBody;
import com.yahoo.search.schema.SchemaInfo;
import com.yahoo.search.searchchain.Execution;
import com.yahoo.search.yql.MinimalQueryInserter;
import com.yahoo.vespa.model.VespaModel;

/** Reads requests to /search/ as Vespa's container does: parameters, YQL, and the types of query tensors. */
final class Queries {

    private final Execution.Context context;
    private final SchemaInfo schemas;

    Queries(VespaModel model) {
        var searchers = model.getConfig(QrSearchersConfig.class, "default");
        var facts = new IndexFacts(new IndexModel(model.getConfig(IndexInfoConfig.class, "default"), searchers));
        schemas = new SchemaInfo(model.getConfig(SchemaInfoConfig.class, "default"), searchers);
        context = Execution.Context.createContextStub(null, facts, schemas, new SimpleLinguistics());
    }

    /** Returns the query with its tree, or throws Vespa's error. */
    Query read(String body) {
        Query query = new Query.Builder()
                .setRequest(HttpRequest.createTestRequest("http://localhost/search/", Method.POST))
                .setRequestMap(SearchBody.parameters(body)).setSchemaInfo(schemas).build();
        Result result = new Execution(new MinimalQueryInserter(new SimpleLinguistics()), context).search(query);
        if (result.hits().getError() != null) throw new IllegalArgumentException(result.hits().getError().toString());
        return query;
    }
}
