package com.yahoo.document.restapi.resource;

import com.yahoo.cloud.config.ClusterListConfig;
import com.yahoo.container.jdisc.RequestHandlerTestDriver;
import com.yahoo.document.config.DocumentmanagerConfig;
import com.yahoo.document.restapi.DocumentOperationExecutorConfig;
import com.yahoo.documentapi.DocumentAccess;
import com.yahoo.jdisc.Metric;
import com.yahoo.metrics.simple.MetricReceiver;
import com.yahoo.vespa.config.content.AllClustersBucketSpacesConfig;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;

/**
 * Vespa's handler of /document/v1 outside its container: this class is in
 * the handler's package because the constructor with a document access
 * is package-private.
 */
public final class DocumentV1 {

    private DocumentV1() { }

    public static RequestHandlerTestDriver serve(DocumentAccess access, DocumentmanagerConfig types,
                                                 ClusterListConfig clusters, AllClustersBucketSpacesConfig spaces) {
        var executor = new DocumentOperationExecutorConfig.Builder().build();
        return new RequestHandlerTestDriver(new DocumentV1ApiHandler(
                Clock.systemUTC(), Duration.ofSeconds(5), new NoMetric(), new MetricReceiver.MockReceiver(),
                access, types, executor, clusters, spaces));
    }

    private static final class NoMetric implements Metric {
        @Override public void set(String key, Number value, Context context) { }
        @Override public void add(String key, Number value, Context context) { }
        @Override public Context createContext(Map<String, ?> properties) { return new Context() { }; }
    }
}
