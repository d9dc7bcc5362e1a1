// A round through the life of an environment, and each modelled error, with the AWS SDK for JavaScript.
// It prints what it saw as JSON: test_javascript.py judges it.
import {
  AmplifyBackendClient,
  BadRequestException,
  CloneBackendCommand,
  CreateBackendAuthCommand,
  DeleteBackendCommand,
  GatewayTimeoutException,
  GetBackendAuthCommand,
  GetBackendCommand,
  GetBackendJobCommand,
  ListBackendJobsCommand,
  NotFoundException,
  TooManyRequestsException,
} from "@aws-sdk/client-amplifybackend";

const [endpoint, appId] = process.argv.slice(2);
const client = new AmplifyBackendClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "testing", secretAccessKey: "testing" },
  maxAttempts: 1,
});

async function control(method, path, content) {
  const response = await fetch(`${endpoint}/_amplifybackend${path}`, { method, body: JSON.stringify(content) });
  if (!response.ok) throw new Error(await response.text());
}

async function finish(answer) {
  await control("POST", "/clock/advance", { seconds: 60 });
  const { AppId, BackendEnvironmentName, JobId } = answer;
  return (await client.send(new GetBackendJobCommand({ AppId, BackendEnvironmentName, JobId }))).Status;
}

const copy = { AppId: appId, BackendEnvironmentName: "copy" };

async function life() {
  const seen = {};
  const source = { AppId: appId, BackendEnvironmentName: "staging" };
  const clone = new CloneBackendCommand({ ...source, TargetEnvironmentName: "copy" });
  seen.clone = await finish(await client.send(clone));
  const auth = { ...copy, ResourceName: "more" };
  const config = {
    AuthResources: "USER_POOL_ONLY",
    Service: "COGNITO",
    UserPoolConfigs: { RequiredSignUpAttributes: ["EMAIL"], SignInMethod: "EMAIL", UserPoolName: "people" },
  };
  seen.auth = await finish(await client.send(new CreateBackendAuthCommand({ ...auth, ResourceConfig: config })));
  seen.config = (await client.send(new GetBackendAuthCommand(auth))).ResourceConfig;
  seen.meta = JSON.parse((await client.send(new GetBackendCommand(copy))).AmplifyMetaConfig);
  seen.operations = [];
  // The package exports no paginator for ListBackendJobs.
  let page = {};
  do {
    page = await client.send(new ListBackendJobsCommand({ ...copy, MaxResults: 1, NextToken: page.NextToken }));
    seen.operations.push(...page.Jobs.map((job) => job.Operation));
  } while (page.NextToken);
  seen.delete = await finish(await client.send(new DeleteBackendCommand(copy)));
  seen.left = (await client.send(new GetBackendCommand({ AppId: appId }))).BackendEnvironmentList;
  return seen;
}

async function errorOf(command, type) {
  try {
    await client.send(command);
  } catch (error) {
    return {
      typed: error instanceof type,
      status: error.$metadata.httpStatusCode,
      message: error.message,
      resourceType: error.ResourceType,
      limitType: error.LimitType,
    };
  }
  throw new Error("no error came");
}

async function errors() {
  const get = new GetBackendCommand({ AppId: appId });
  const source = { AppId: appId, BackendEnvironmentName: "staging", TargetEnvironmentName: "staging" };
  const seen = {
    BadRequestException: await errorOf(new CloneBackendCommand(source), BadRequestException),
    NotFoundException: await errorOf(new GetBackendCommand({ AppId: "dnone" }), NotFoundException),
  };
  await control("POST", "/faults", { operation: "GetBackend", kind: "throttle", times: 1 });
  seen.TooManyRequestsException = await errorOf(get, TooManyRequestsException);
  await control("POST", "/faults", { operation: "GetBackend", kind: "timeout_before", times: 1 });
  seen.GatewayTimeoutException = await errorOf(get, GatewayTimeoutException);
  return seen;
}

console.log(JSON.stringify({ life: await life(), errors: await errors() }));
