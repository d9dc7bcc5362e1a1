"""The services beside AmplifyBackend that tell of an environment: AWS Amplify's control API, and CloudFormation."""
